"""A batch costs the server a bounded number of statements and round trips, however many records it has."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg.pq import Trace

from queue_store.records.record import Completed, Outcome, Record, Snooze
from queue_store.runs.run import Run
from queue_store.runs.succession import exchange_or_end
from tests.support.store import Store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="psycopg traces on Linux only")


def sent(run: Run, trace: Path, exchange: Callable[[], object]) -> dict[str, int]:
    """Counts, in libpq's trace, the messages of each kind that `exchange` sends to the server."""
    connection = run.held.driver.pgconn
    with trace.open("w") as lines:
        connection.trace(lines.fileno())
        connection.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        try:
            exchange()
        finally:
            connection.untrace()
    kinds = [line.split()[2] for line in trace.read_text().splitlines() if line.startswith("F")]
    return {kind: kinds.count(kind) for kind in ("Parse", "Execute", "Query", "Sync")}


def completed(records: list[Record]) -> list[Outcome]:
    now = time.monotonic()
    return [Completed(record, now, now) for record in records]


@pytest.mark.parametrize("batch_size", [1, 100])
def test_a_batch_is_five_statements(store: Store, tmp_path: Path, batch_size: int) -> None:
    store.enqueue(10 * batch_size)
    run = store.run(batch_size=batch_size)
    records = run.begin()
    for _ in range(7):  # after that, the driver has prepared the statements
        _, records = run.exchange(completed(records))
    messages = sent(run, tmp_path / "trace", lambda: run.exchange(completed(records)))
    # BEGIN, the settings for the planner, the outcomes, the next claim, COMMIT
    assert messages["Execute"] + messages["Query"] == 5
    assert messages["Sync"] + messages["Query"] == 2, "round trips: BEGIN waits for no answer"
    if not store.database.settings.pgbouncer:
        assert messages["Parse"] == 0


def test_each_further_kind_of_outcome_is_one_statement_more(store: Store, tmp_path: Path) -> None:
    store.enqueue(200)
    run = store.run(batch_size=20)
    records = run.begin()
    outcomes = [*completed(records[:10]), *(Snooze(record, 60) for record in records[10:])]
    messages = sent(run, tmp_path / "trace", lambda: run.exchange(outcomes))
    assert messages["Execute"] + messages["Query"] == 6


def test_a_run_of_one_short_batch_is_four_round_trips(store: Store, tmp_path: Path) -> None:
    """The beginning and the end of the run take two round trips each: one for BEGIN and the statements, and one for
    COMMIT."""
    store.enqueue(2)
    run = store.run()
    records: list[Record] = []
    begin = sent(run, tmp_path / "begin", lambda: records.extend(run.begin()))
    end = sent(run, tmp_path / "end", lambda: exchange_or_end(run, completed(records)))
    assert run.is_ended
    assert [messages["Sync"] + messages["Query"] for messages in (begin, end)] == [2, 2]

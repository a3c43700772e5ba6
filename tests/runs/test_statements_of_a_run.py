"""The statements that a run sends to the database. Each statement costs time in every run, which matters most with many
small flows."""

from typing import Any

import pytest

from queue_store.database.cursors import OwnCursor
from queue_store.database.statements import sql
from queue_store.runs.run import Run
from tasks.authoring.flow import Flow
from tasks.run_loop.loop import new_run, run_flow
from tests.support.flow_runs import Worker
from tests.support.pgbouncer import direct_only

BEGIN = ["BEGIN", "runs/lock_flow", "runs/register_run", "arrows/claim"]
EXCHANGE = ["BEGIN", "runs/plan_once", "arrows/complete", "arrows/claim"]
END = ["runs/end_run", "runs/settle_run"]
LAST_LOOK_AND_END = ["BEGIN", "runs/plan_once", "arrows/claim", "arrows/claim_suspects", *END]
WRITE_AND_END = ["BEGIN", "runs/plan_once", "arrows/complete", "runs/end_idle_run"]
NAMES = (*BEGIN, *EXCHANGE, *WRITE_AND_END, *LAST_LOOK_AND_END)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all statements that runs send during the test."""
    names = {sql(name): name for name in NAMES if name != "BEGIN"} | {
        b"BEGIN": "BEGIN",
        b"SAVEPOINT successor": "SAVEPOINT",
    }
    sent: list[str] = []
    execute = OwnCursor.execute

    def noted(cursor: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        sent.append(names.get(query, str(query)[:60]))
        return execute(cursor, query, *arguments, **options)

    monkeypatch.setattr(OwnCursor, "execute", noted)
    return sent


def test_a_run_sends_these_statements_and_no_others(worker: Worker, sent: list[str]) -> None:
    flow = worker.declare(lambda payload: None, name="sample", batch_size=2)
    worker.enqueue("sample", [1, 2, 3, 4])
    sent.clear()
    worker.run(flow)
    assert sent == [*BEGIN, *EXCHANGE, *EXCHANGE, *LAST_LOOK_AND_END]
    rows = worker.query(
        "SELECT state, records_completed, settled_at IS NULL AS is_open FROM flow_execution_logs"
    )
    assert [(row.state, row.records_completed, row.is_open) for row in rows] == [("ended", 4, False)]


def test_a_run_of_one_short_batch_ends_with_its_outcomes(worker: Worker, sent: list[str]) -> None:
    flow = worker.declare(lambda payload: None, name="sample", batch_size=2)
    worker.enqueue("sample", [1])
    sent.clear()
    worker.run(flow)
    assert sent == [*BEGIN, *WRITE_AND_END]
    rows = worker.query(
        "SELECT state, records_completed, settled_at IS NULL AS is_open FROM flow_execution_logs"
    )
    assert [(row.state, row.records_completed, row.is_open) for row in rows] == [("ended", 1, False)]


def run_with_successor(worker: Worker, flow: Flow, successor: Flow) -> Run | None:
    run = new_run(worker.services, flow)
    run.new_successor = lambda: new_run(worker.services, successor)
    run_flow(worker.services, flow, run=run)
    return run.successor


def test_a_run_begins_in_the_transaction_in_which_the_one_before_ends(
    worker: Worker, sent: list[str]
) -> None:
    flow = worker.declare(lambda payload: None, name="sample", batch_size=2)
    other = worker.declare(lambda payload: None, name="other", batch_size=2)
    worker.enqueue("sample", [1])
    worker.enqueue("other", [1])
    sent.clear()
    run = run_with_successor(worker, flow, other)
    run_flow(worker.services, other, run=run)
    assert sent == [*BEGIN, *WRITE_AND_END, "SAVEPOINT", *BEGIN[1:], *WRITE_AND_END]
    assert worker.statuses() == {"completed": 2}


@direct_only
def test_a_successor_that_finds_nothing_leaves_the_statements_prepared(worker: Worker) -> None:
    """If psycopg itself sends a ROLLBACK, even to a savepoint, it forgets its prepared statements."""
    flow, other = (worker.declare(lambda payload: None, name=name) for name in ("sample", "other"))
    for _ in range(8):
        worker.enqueue("sample", [1])
        assert run_with_successor(worker, flow, other) is None
    with worker.services.database.transaction() as cursor:
        prepared = cursor.execute("SELECT statement FROM pg_prepared_statements").fetchall()
    assert any("INSERT INTO" in row[0] and "flow_execution_logs" in row[0] for row in prepared)


def test_a_hint_that_finds_nothing_costs_one_claim(worker: Worker, sent: list[str]) -> None:
    """The statement that registers the run has already looked for suspects."""
    flow = worker.declare(lambda payload: None, name="sample")
    sent.clear()
    worker.run(flow)
    assert sent[: len(BEGIN)] == BEGIN
    assert "arrows/claim_suspects" not in sent
    assert sent.count("arrows/claim") == 1


@direct_only
def test_a_run_that_finds_nothing_leaves_the_statements_prepared(worker: Worker) -> None:
    """Many hints find no record. A run that finds no record sends its own ROLLBACK, because psycopg's `rollback` would
    forget the prepared statements."""
    flow = worker.declare(lambda payload: None, name="sample")
    for _ in range(8):  # psycopg prepares a statement after five executions
        worker.run(flow)
    with worker.services.database.transaction() as cursor:
        prepared = cursor.execute("SELECT statement FROM pg_prepared_statements").fetchall()
    assert any("INSERT INTO" in row[0] and "flow_execution_logs" in row[0] for row in prepared)
    assert worker.query("SELECT 1 FROM flow_execution_logs") == []

"""Each mutant of the statements and of the worker must be caught: by the database, by a check of the store, or by the
ledger, which judges the chaos runs."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from queue_store.database import statements
from queue_store.errors import DatabaseUnavailableError, QueueStoreError
from queue_store.liveness import rescue, worker_processes
from queue_store.records.record import Record
from queue_store.runs import claimer as claiming, run as run_module
from queue_store.runs.run import Run
from tests.chaos.scenario import Scenario
from tests.support.servers import connect
from tests.support.store import Store, failed, store_on

FENCE = (
    b"AND q.claim_number = o.claim_number\n"
    b"        AND q.flow_instance_id = %(flow_instance_id)s AND public.unindexed(q.status) = 'processing'"
)


class EffectBeforeCompletion(Scenario):
    """The worker commits the business rows first, and the new statuses in a later transaction."""

    def one_commit(self, run: Run, records: Sequence[Record], *, then_die: bool) -> list[int]:
        with run.held.transaction() as cursor:
            self.effects(cursor, [r for r in records if r.payload["how"] != "fail"])
        if not then_die:
            run.write(self.outcomes(records))
        return []


class BrokenCommitIsFailure(Scenario):
    def after_broken_write(self, run: Run, records: Sequence[Record]) -> None:
        run.reopen()
        run.write(failed(records, 0.1))
        run.end()


class RefusedIdsIgnored(Scenario):
    def one_commit(self, run: Run, records: Sequence[Record], *, then_die: bool) -> list[int]:
        with run.held.transaction() as cursor:
            self.effects(cursor, [r for r in records if r.payload["how"] != "fail"])
            run.write_in(cursor, self.outcomes(records))
        return []


class AcknowledgedBeforeCommit(Scenario):
    def enqueue(self, batch: str, flow_name: str, how: str = "ok") -> None:
        if batch == "deploy":
            self.acknowledge(batch)
        else:
            super().enqueue(batch, flow_name, how)


class EnqueuedAgain(Scenario):
    def enqueue(self, batch: str, flow_name: str, how: str = "ok") -> None:
        super().enqueue(batch, flow_name, how)
        if batch == "deploy":
            self.store.execute(
                "INSERT INTO processing_queue (flow_name, payload, correlation_id)"
                " SELECT flow_name, payload, correlation_id FROM processing_queue WHERE status = 'pending' LIMIT 5"
            )


class RetriedAtOnce(Scenario):
    def outcomes(self, records: Sequence[Record]) -> list[Any]:
        return [*self._with_delay(0.0, records)]

    def _with_delay(self, seconds: float, records: Sequence[Record]) -> list[Any]:
        outcomes = super().outcomes(records)
        for outcome in outcomes:
            if getattr(outcome, "retry_delay_seconds", None) is not None:
                outcome.retry_delay_seconds = seconds
        return outcomes


class DoneTwice(Scenario):
    """A worker calls a handler twice under one claim."""

    def note_calls(self, records: Sequence[Record]) -> None:
        super().note_calls([*records, *records[:1]])


class NotDone(Scenario):
    """A worker completes a record whose handler it never called."""

    def note_calls(self, records: Sequence[Record]) -> None:
        super().note_calls(records[1:])


WORKERS: dict[type[Scenario], str] = {
    EffectBeforeCompletion: "worker_dies_between_two_records",
    BrokenCommitIsFailure: "connection_breaks_before_commit",
    RefusedIdsIgnored: "zombie_wakes_up",
    AcknowledgedBeforeCommit: "deploy",
    EnqueuedAgain: "deploy",
    RetriedAtOnce: "attempts_fail",
    DoneTwice: "deploy",
    NotDone: "deploy",
}

# For each mutant: the hazard that exposes it, the name of the statement, the text that is replaced, and its
# replacement.
STATEMENTS: dict[str, tuple[str, str, bytes, bytes]] = {
    "no fence": ("zombie_wakes_up", "arrows/complete", FENCE, b"AND q.status <> 'failed'"),
    "no claim number in the fence": (
        "stale_thread_of_the_same_run", "arrows/complete", b"AND q.claim_number = o.claim_number", b"",
    ),
    "claim with IN and LIMIT": (
        "claim_under_a_bad_plan", "arrows/claim",
        b"WHERE q.id = ANY(ARRAY(SELECT id FROM candidate)) AND public.unindexed(q.status) = 'pending'",
        b"WHERE q.id IN (SELECT id FROM processing_queue WHERE status = 'pending' AND flow_name = %(flow_name)s"
        b" AND EXISTS (SELECT FROM open) LIMIT %(batch_size)s FOR UPDATE SKIP LOCKED) AND q.status = 'pending'",
    ),
    "no SKIP LOCKED": ("two_claim_at_once", "arrows/claim", b"FOR NO KEY UPDATE SKIP LOCKED", b"FOR NO KEY UPDATE"),
    "claim of what is not due": ("future_records", "arrows/claim", b"AND q.scheduled_at <= now()", b""),
    "claim of a batch too many": ("deploy", "arrows/claim", b"LIMIT %(batch_size)s", b"LIMIT 3 * %(batch_size)s"),
    "lease by the worker's clock, which is ahead": (
        "worker_dies_between_two_records", "runs/beat_run",
        b"heartbeat_at = clock_timestamp()",
        b"heartbeat_at = clock_timestamp() + interval '1 day'",
    ),
    "nobody is ever silent": (
        "worker_dies_between_two_records", "liveness/silent_runs",
        b"r.state IN ('running', 'stopping')", b"false"),
    "settled with records left": (
        "rescue_meets_a_lock", "runs/settle_run", b"NOT EXISTS", b"EXISTS (SELECT) OR NOT EXISTS",
    ),
    "rescue that charges an attempt": (
        "worker_dies_between_two_records", "arrows/rescue",
        b"crash_strikes = least(q",
        b"retry_count = q.retry_count + 1, crash_strikes = least(q",
    ),
    "release that charges an attempt": (
        "deploy", "arrows/release", b"updated_at = ", b"retry_count = q.retry_count + 1, updated_at = "),
    "rescue that completes": (
        "worker_dies_between_two_records", "arrows/rescue", b"ELSE 'pending' END", b"ELSE 'failed' END",
    ),
    "a failed attempt that is not remembered": (
        "attempts_fail", "arrows/retry_or_fail",
        b"written w JOIN outcome o ON o.id = w.id",
        b"written w JOIN outcome o ON o.id = -w.id",
    ),
    "a failed attempt that is not charged": (
        "attempts_fail", "arrows/retry_or_fail",
        b"retry_count = least(q.retry_count, 2147483646) + 1", b"retry_count = q.retry_count",
    ),
    "a permanent error that is retried": (
        "attempts_fail", "arrows/retry_or_fail", b"WHEN o.retry_delay IS NOT NULL AND", b"WHEN",
    ),
    "completions that are not counted": (
        "deploy", "arrows/complete", b"SELECT %(flow_name)s, count(*),", b"SELECT %(flow_name)s, 0,",
    ),
    "claims that are counted twice": (
        "deploy", "arrows/claim", b"SELECT %(flow_name)s, count(*), sum", b"SELECT %(flow_name)s, 2 * count(*), sum",
    ),
}  # fmt: skip


@pytest.fixture
def own_store(own_database_url: str) -> Iterator[Store]:
    manager = connect(own_database_url)
    with store_on(manager) as store:
        yield store
    manager.dispose()


@pytest.fixture
def mutate(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes, bytes], None]:
    def mutate(name: str, before: bytes, after: bytes) -> None:
        original = statements.sql(name)
        assert before in original, "the mutant does not fit the statement any more"

        def sql(wanted: str) -> bytes:
            return original.replace(before, after) if wanted == name else statements.sql(wanted)

        for module in (run_module, claiming, rescue, worker_processes):
            monkeypatch.setattr(module, "sql", sql)

    return mutate


def test_the_scenario_of_the_right_system_breaks_no_rule(own_store: Store, tmp_path: Path) -> None:
    scenario = Scenario(own_store, tmp_path)
    scenario.settle_seconds = 60
    scenario.perform()
    assert scenario.violations() == {}
    assert own_store.value("SELECT count(*) FROM processing_queue") == 600


@pytest.mark.long
@pytest.mark.parametrize("worker", WORKERS)
def test_a_wrong_worker_is_caught(own_store: Store, tmp_path: Path, worker: type[Scenario]) -> None:
    assert is_caught(worker(own_store, tmp_path), WORKERS[worker])


@pytest.mark.long
@pytest.mark.parametrize("mutant", STATEMENTS)
def test_a_wrong_statement_is_caught(
    own_store: Store, tmp_path: Path, mutate: Callable[[str, bytes, bytes], None], mutant: str
) -> None:
    scenario = Scenario(own_store, tmp_path)
    hazard, *mutation = STATEMENTS[mutant]
    mutate(*mutation)
    assert is_caught(scenario, hazard)


def is_caught(scenario: Scenario, hazard: str) -> bool:
    try:
        scenario.perform(hazard)
    except DatabaseUnavailableError:
        raise
    except (AssertionError, QueueStoreError, psycopg.IntegrityError):
        return True
    return bool(scenario.violations())

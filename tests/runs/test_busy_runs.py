"""Some readings do not scan the index entries of records that a busy run has finished. Instead, these readings use the
run's last heartbeat. Their answers are still correct. Readings that need exact numbers still count the records."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from queue_store import maintenance
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.readings.flow_counts import read_flow_counts
from queue_store.readings.integrity import Violation, find_violations
from queue_store.readings.orphans import OrphanGroup, read_orphans
from queue_store.settings import ProcessorSettings
from tests.support import filling
from tests.support.flow_runs import running_worker
from tests.support.servers import connect

FINISHED_COUNT = 20_000
BUFFERS_AT_MOST = 200  # a scan of the entries of all finished records reads more than 400 buffers
SETTINGS = ProcessorSettings()
GLANCE = {"limit": 200, "at_a_glance": True}
ORPHANS = {"limit": 50_000, "lease_seconds": 10, "late_seconds": 60, "orphan_timeout_seconds": 7_200}
LOOKS: dict[str, dict[str, Any]] = {
    "readings/flow_counts": {"limit": 1_000, "flow_name": None},
    "counts/sample_depths": {"limit": 1_000},
    "readings/orphans": ORPHANS,
    "maintenance/integrity/impossible_live_states": GLANCE,
    "maintenance/integrity/claims_without_a_run": GLANCE,
    "maintenance/integrity/counts_that_do_not_add_up": GLANCE,
}
LOWEST, HIGHEST = UUID(int=0), UUID(int=2**128 - 1)


def add_busy_run(database: DatabaseManager, in_flight: int = 100, **columns: Any) -> UUID:
    counts = {"records_claimed": 20_000, "records_completed": 19_900 - in_flight, "records_retried": 60}
    others = {"records_failed": 20, "records_snoozed": 10, "records_released": 5, "records_refused": 5}
    return filling.add_run(database, **{**counts, **others, **columns})


def execute(database: DatabaseManager, statement: str) -> None:
    with database.transaction() as cursor:
        cursor.execute(statement.encode())


def processing(database: DatabaseManager) -> dict[str, int]:
    with database.transaction() as cursor:
        return {flow.flow_name: flow.processing for flow in read_flow_counts(cursor)}


def orphans(database: DatabaseManager) -> list[OrphanGroup]:
    with database.transaction() as cursor:
        return read_orphans(cursor, SETTINGS)


def violations(database: DatabaseManager, *, at_a_glance: bool) -> list[Violation]:
    with database.transaction() as cursor:
        return find_violations(cursor, at_a_glance=at_a_glance)


def buffers(database: DatabaseManager, look: str) -> int:
    with database.transaction() as cursor:
        explain = b"EXPLAIN (ANALYZE, BUFFERS) " + sql(look)
        cursor.execute(explain, LOOKS[look])  # a session's first execution also reads the functions
        plan = [row[0] for row in cursor.execute(explain, LOOKS[look]).fetchall()]
        cursor.connection.rollback()
    total = next(line for line in plan if "shared" in line)
    return sum(map(int, re.findall(r"(?:hit|read)=(\d+)", total)))


@pytest.fixture
def finished_much(own_database_url: str) -> Iterator[DatabaseManager]:
    """A run has finished many records, and still works on a few. An open snapshot keeps the index entries of the
    finished records."""
    manager = connect(own_database_url)
    filling.add_flow(manager)
    execute(manager, "ALTER TABLE processing_queue SET (autovacuum_enabled = off)")
    run = add_busy_run(manager, in_flight=3)
    filling.add_processing(manager, FINISHED_COUNT, run)
    with manager.hold() as holder, holder.transaction() as snapshot:
        snapshot.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        snapshot.execute("SELECT count(*) FROM flows")
        execute(
            manager,
            "UPDATE processing_queue SET status = 'completed', completed_at = claimed_at"
            " WHERE id < (SELECT max(id) - 2 FROM processing_queue)",
        )
        filling.add_processing(manager, 2, filling.add_run(manager, flow_instance_id=LOWEST))
        execute(manager, "DELETE FROM rollup_deltas")
        execute(manager, "ANALYZE")
        yield manager
    manager.dispose()


@pytest.mark.parametrize("look", LOOKS)
def test_no_look_walks_over_what_it_has_finished(finished_much: DatabaseManager, look: str) -> None:
    assert buffers(finished_much, look) <= BUFFERS_AT_MOST
    execute(finished_much, "UPDATE flow_execution_logs SET records_claimed = 10000")
    assert buffers(finished_much, look) > 2 * BUFFERS_AT_MOST


def test_it_is_counted_as_it_said_and_the_others_as_they_are(database: DatabaseManager) -> None:
    filling.add_processing(database, 7, add_busy_run(database, in_flight=5))
    filling.add_processing(database, 3, filling.add_run(database))
    filling.add_processing(database, 2, filling.add_run(database, "beta"), "beta")
    assert processing(database) == {"alpha": 5 + 3, "beta": 2}


def test_between_two_batches_it_holds_at_least_one_record(database: DatabaseManager) -> None:
    filling.add_processing(database, 7, add_busy_run(database, in_flight=0))
    assert processing(database) == {"alpha": 1}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE flow_execution_logs SET heartbeat_at = now() - interval '6 seconds'",
        "UPDATE flow_execution_logs SET state = 'ended', finished_at = now()",
        "UPDATE flow_execution_logs SET state = 'dead', finished_at = now()",
        "UPDATE flow_execution_logs SET records_claimed = 10000",
    ],
)
def test_one_that_is_silent_over_or_not_busy_is_counted(database: DatabaseManager, change: str) -> None:
    filling.add_processing(database, 7, add_busy_run(database, in_flight=5))
    execute(database, change)
    assert processing(database) == {"alpha": 7}


def test_records_on_both_sides_of_busy_runs_are_seen(database: DatabaseManager) -> None:
    busy = sorted(add_busy_run(database) for _ in range(3))
    neighbours = [UUID(int=run.int + step) for run in busy for step in (-1, 1)]
    for run in [*busy, *neighbours, LOWEST, HIGHEST]:
        filling.add_processing(database, 2, run)
    (missing,) = orphans(database)
    assert (missing.cause, missing.record_count) == ("run missing", 2 * (len(neighbours) + 2))
    assert {violation.check.name for violation in violations(database, at_a_glance=True)} == {
        "claims_without_a_run"
    }


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ("UPDATE flow_execution_logs SET heartbeat_at = now() - interval '11 seconds'", "run silent"),
        ("UPDATE flow_execution_logs SET state = 'dead', finished_at = now()", "run dead"),
        ("UPDATE flow_execution_logs SET started_at = now() - interval '3 hours'", "claimed too long ago"),
    ],
)
def test_its_orphans_are_found(database: DatabaseManager, change: str, cause: str) -> None:
    filling.add_processing(database, 4, add_busy_run(database), age_seconds=9_000)
    execute(database, change)
    with database.transaction() as cursor:
        settings = ProcessorSettings(lease_seconds=0.2) if cause == "run silent" else SETTINGS
        found = read_orphans(cursor, settings)
    assert [(group.cause, group.record_count) for group in found] == [(cause, 4)]


def test_a_short_lease_is_shorter_than_its_word(database: DatabaseManager) -> None:
    filling.add_processing(database, 4, add_busy_run(database))
    with database.transaction() as cursor:  # now() does not change in a transaction
        cursor.execute("UPDATE flow_execution_logs SET heartbeat_at = now() - interval '1 second'")
        assert {flow.flow_name: flow.processing for flow in read_flow_counts(cursor)} == {"alpha": 100}
        (silent,) = read_orphans(cursor, ProcessorSettings(heartbeat_seconds=0.05, lease_seconds=0.2))
    assert (silent.cause, silent.record_count) == ("run silent", 4)


CORRUPTIONS = {
    "impossible_live_states": "UPDATE processing_queue SET updated_at = now() + interval '1 hour'",
    "counts_that_do_not_add_up": "UPDATE processing_queue SET status = 'cancelled'",
}


@pytest.mark.parametrize("check", CORRUPTIONS)
def test_what_is_wrong_with_its_records_is_found_by_a_full_check(
    database: DatabaseManager, check: str
) -> None:
    filling.add_processing(database, 4, add_busy_run(database))
    execute(database, CORRUPTIONS[check])
    assert violations(database, at_a_glance=True) == []
    assert {violation.check.name for violation in violations(database, at_a_glance=False)} == {check}


def test_a_dry_repair_counts_what_a_repair_would_correct(database: DatabaseManager) -> None:
    filling.add_processing(database, 4, add_busy_run(database))
    execute(database, CORRUPTIONS["counts_that_do_not_add_up"])
    with maintenance.begin(database, "repair", dry_run=True, actor="olga") as run:
        assert maintenance.repair(run)["counts_that_do_not_add_up"] == 1


def test_a_record_without_a_run_is_found_at_a_glance(own_database_url: str) -> None:
    manager = connect(own_database_url)
    execute(manager, "ALTER TABLE processing_queue DROP CONSTRAINT processing_queue_state")
    filling.add_processing(manager, 4, add_busy_run(manager))
    execute(
        manager,
        "UPDATE processing_queue SET flow_instance_id = NULL WHERE id = (SELECT min(id) FROM processing_queue)",
    )
    names = {violation.check.name for violation in violations(manager, at_a_glance=True)}
    manager.dispose()
    assert {"missing_guards", "impossible_live_states", "claims_without_a_run"} <= names


@pytest.mark.parametrize("hint_is_taken", [True, False])
def test_a_run_alone_makes_room_for_the_next_one_after_a_while(
    own_database_url: str, monkeypatch: pytest.MonkeyPatch, hint_is_taken: bool
) -> None:
    """If the run never ended, it would become older than the orphan timeout. Only a scan can tell whether so old a run
    has records whose claim is older than this timeout. Without the broker, the idle poll begins the next run."""
    monkeypatch.setattr("queue_store.enqueueing.hints.CeleryHintSender.send", lambda *_: hint_is_taken)
    monkeypatch.setattr("tasks.run_loop.time_slice.OTHERS_LOOK_SECONDS", 0.0)

    def handler(payload: int) -> None:
        if payload == 2:
            monkeypatch.setattr("tasks.run_loop.time_slice.LONGEST_RUN_SECONDS", 0.0)

    with running_worker(own_database_url, monkeypatch, time_slice_seconds=0.0, batch_size=5) as worker:
        flow = worker.declare(handler, name="sample")
        worker.enqueue("sample", range(15))
        worker.run(flow)
        assert worker.statuses() == {"completed": 3, "pending": 12}
        assert worker.query("SELECT records_released FROM flow_execution_logs") == [(2,)]

"""If two sessions act at the same moment, the result is the same as if they had acted one after the other. A
session that freezes does not hold up other sessions."""

from contextlib import suppress
from uuid import uuid4

import psycopg
import pytest

from queue_store import maintenance
from queue_store.database import idle_in_transaction
from queue_store.database.held_connection import HeldConnection
from queue_store.database.statements import sql
from queue_store.errors import DatabaseUnavailableError
from queue_store.liveness import worker_processes
from queue_store.maintenance.maintenance_run import begin
from queue_store.runs.outcomes import release_statement
from queue_store.runs.sessions import find_sessions, terminate_sessions
from queue_store.schedule import occurrences
from tests.arrows.test_cancel import cancel
from tests.support.locks import behind_a_gate, wait_until_blocked
from tests.support.store import Store, completed, failed, ids, in_background

A_DAY = 86_400


def test_the_end_of_a_run_leaves_to_rescue_what_a_claim_took_meanwhile(store: Store) -> None:
    """In a pool child, the main thread claims records, while another thread may end the run because a handler is
    stuck."""
    _, second = store.enqueue(2)
    run, ender = store.run(batch_size=1), store.held()
    run.write(completed(run.begin()))

    def end() -> None:
        with ender.transaction() as cursor:
            run.end_in(cursor)

    with run.held.transaction() as cursor:
        assert ids(run.claimer.claim(cursor, run.batch_size)) == [second]
        ending = in_background(end)
        store.wait_until_blocked(ender)
    ending.result(30)
    assert store.rescue.sweep().pending_ids == [second]


def test_a_heartbeat_that_arrives_during_the_burial_saves_the_run(store: Store) -> None:
    store.enqueue(1)
    run, heart = store.run(), store.held()
    batch = run.begin()
    store.age(run)
    with heart.transaction() as cursor:
        assert worker_processes.beat_run(cursor, run.flow_instance_id, run.counts) is not None
        looking = in_background(store.rescue.sweep)
        wait_until_blocked(store.database)
    assert looking.result(30).dead_run_ids == []
    assert run.write(completed(batch)).refused_ids == []


def test_the_session_of_a_run_whose_heartbeat_arrived_is_not_ended(store: Store) -> None:
    store.enqueue(1)
    run = store.run()
    run.begin()
    run.held.driver.execute(sql("runs/plan_once"), run.parameters)
    with store.database.transaction() as cursor:
        terminate_sessions(cursor, run.flow_instance_id, lease_seconds=25.0)
        assert len(find_sessions(cursor, run.flow_instance_id)) == 1
    store.age(run)
    with store.database.transaction() as cursor:
        terminate_sessions(cursor, run.flow_instance_id, lease_seconds=25.0)
        assert find_sessions(cursor, run.flow_instance_id) == []


@pytest.mark.parametrize("way", ["retry", "release"])
def test_a_cancel_that_crosses_a_giving_back_is_performed(store: Store, way: str) -> None:
    (record_id,) = store.enqueue(1)
    run = store.run()
    batch = run.begin()
    with run.held.transaction() as cursor:
        if way == "retry":
            run.write_in(cursor, failed(batch, retry_delay_seconds=A_DAY))
        else:
            statement = release_statement("sample", run.flow_instance_id, batch)
            cursor.execute(sql(statement.name), statement.parameters)
        assert cancel(store, [record_id]) == {record_id: "asked"}
    assert store.rescue.sweep().cancelled_ids == [record_id]
    assert store.status(record_id) == "cancelled"
    assert store.query("SELECT * FROM cancel_requests") == []
    assert store.rescue.sweep().cancelled_ids == []


def test_the_weekly_reset_passes_by_a_record_whose_key_is_taken_meanwhile(store: Store) -> None:
    store.execute("INSERT INTO processing_queue (flow_name, dedup_key) VALUES ('sample', 'd')")
    run, producer = store.run(), store.held()
    run.write(failed(run.begin()))

    def reset() -> int:
        with begin(store.database, "reset_failed_records", dry_run=False, actor="me") as maintenance_run:
            return maintenance.reset_failed(maintenance_run, store.settings, 3)

    with producer.transaction() as cursor:
        cursor.execute("INSERT INTO processing_queue (flow_name, dedup_key) VALUES ('sample', 'd')")
        resetting = in_background(reset)
        wait_until_blocked(store.database)
    assert resetting.result(30) == 0
    assert store.statuses() == {"failed": 1, "pending": 1}


def test_a_process_that_froze_in_its_begin_does_not_hold_up_its_flow(store: Store) -> None:
    store.enqueue(2)
    frozen_run, other = store.run(batch_size=1), store.run(batch_size=1)
    driver = frozen_run.held.driver
    driver.execute(sql("runs/lock_flow"), {"flow_name": "sample", "lock_timeout": None})
    assert driver.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("10s",)
    driver.execute("SET LOCAL idle_in_transaction_session_timeout = '60s'")
    beginning = in_background(other.begin)
    store.wait_until_blocked(other.held)
    driver.execute("SET LOCAL idle_in_transaction_session_timeout = '300ms'")
    assert len(beginning.result(30)) == 1
    with pytest.raises(DatabaseUnavailableError), frozen_run.held.transaction() as cursor:
        cursor.execute("SELECT 1")


def test_a_sentinel_that_froze_does_not_hold_up_beat(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle_in_transaction, "FROZEN_SECONDS", 1.0)
    sentinel, beat = store.held(), store.held()
    with sentinel.driver.cursor() as cursor:
        assert worker_processes.take_sentinel_lease(cursor, uuid4(), 25.0)

    def lead() -> bool:
        with beat.transaction() as cursor:
            return occurrences.lead(cursor, uuid4(), "h", 1, 5.0)[0]

    assert in_background(lead).result(30)
    with suppress(psycopg.Error):
        sentinel.driver.rollback()


def test_a_purge_spares_what_failed_anew_meanwhile(store: Store) -> None:
    """The purge has chosen the record because of an old failure. The record fails again before the purge locks it."""
    store.execute(
        "INSERT INTO processing_queue (flow_name, status, retry_count, error_message, updated_at)"
        " VALUES ('sample', 'failed', 9, 'long ago', now() - interval '90 days')"
    )
    purger, run = store.held(), store.run()
    with store.held().transaction() as gate:
        gate.execute("SELECT pg_advisory_xact_lock(8)")
        purging = in_background(lambda: purge_behind_a_gate(purger))
        store.wait_until_blocked(purger)
        store.execute(
            "UPDATE processing_queue SET status = 'pending', claimed_at = NULL, flow_instance_id = NULL"
        )
        run.write(failed(run.begin()))
    assert purging.result(30) == (0, 0, 0)
    assert store.statuses() == {"failed": 1}


def purge_behind_a_gate(purger: HeldConnection) -> tuple[int, ...]:
    statement = behind_a_gate(sql("arrows/purge_expired"), b"WHERE id > ")
    ages = ("completed_seconds", "cancelled_seconds", "failed_seconds", "any_failed_seconds")
    parameters = dict.fromkeys(ages, A_DAY) | {
        "failed_minimum_retries": 5,
        "dry_run": False,
        "spared_ids": [],
    }
    with purger.transaction() as cursor:
        row = cursor.execute(statement, parameters | {"after_id": 0, "limit": 100}).fetchone()
    assert row is not None
    return row[1:]

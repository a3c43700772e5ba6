"""Rescue gives back records soon, only once, and only if their owner is gone or their claim is overdue."""

from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest

from queue_store.database.held_connection import HeldConnection
from queue_store.database.statements import sql
from queue_store.errors import DatabaseUnavailableError
from queue_store.liveness import worker_processes
from queue_store.liveness.rescue import RECORDS_AT_ONCE
from tests.support.locks import behind_a_gate
from tests.support.store import Store, completed, ids, in_background


def test_the_records_of_a_silent_run_can_be_claimed_again(store: Store) -> None:
    expected = store.enqueue(10)
    silent = store.run()
    silent.begin()
    store.age(silent)
    rescued = store.rescue.sweep()
    assert rescued.dead_run_ids == [silent.flow_instance_id]
    assert rescued.pending_ids == expected
    assert store.value("SELECT array_agg(DISTINCT retry_count) FROM processing_queue") == [0]


def test_a_run_that_beats_is_left_alone(store: Store) -> None:
    store.enqueue(10)
    run = store.run()
    run.begin()
    store.age(run)
    with store.database.transaction() as cursor:
        assert worker_processes.beat_run(cursor, run.flow_instance_id, run.counts) is not None
    assert store.rescue.sweep().record_count == 0
    assert store.statuses() == {"processing": 10}


def test_a_run_that_was_declared_dead_learns_it_from_its_heartbeat(store: Store) -> None:
    store.enqueue(1)
    run = store.run()
    run.begin()
    store.age(run)
    store.rescue.sweep()
    with store.database.transaction() as cursor:
        assert worker_processes.beat_run(cursor, run.flow_instance_id, run.counts) is None


def test_nobody_is_rescued_before_one_lease_has_passed_since_the_server_started(store: Store) -> None:
    store.enqueue(10)
    run = store.run()
    run.begin()
    store.age(run, seconds=1_000_000)
    store.execute("UPDATE worker_processes SET heartbeat_at = heartbeat_at - interval '10 days'")
    store.settings = replace(store.settings, lease_seconds=500_000)
    rescued = store.rescue.sweep()
    assert (rescued.dead_run_ids, rescued.dead_worker_process_ids) == ([], [])
    assert store.statuses() == {"processing": 10}


def test_a_lost_worker_process_is_not_waited_for(store: Store) -> None:
    expected = store.enqueue(10)
    run = store.run()
    run.begin()
    rescued = store.rescue.lost([run.worker_process_id])
    assert rescued.dead_run_ids == [run.flow_instance_id]
    assert rescued.dead_worker_process_ids == [run.worker_process_id]
    assert rescued.pending_ids == expected


def test_the_others_are_not_declared_dead_with_a_lost_one(store: Store) -> None:
    store.enqueue(20)
    lost, other = store.run(), store.run()
    lost.begin()
    mine = ids(other.begin())
    store.rescue.lost([lost.worker_process_id])
    processing = "SELECT id FROM processing_queue WHERE status = 'processing' ORDER BY id"
    assert [row[0] for row in store.query(processing)] == mine


def test_what_an_ended_run_left_is_given_back(store: Store) -> None:
    """A run can leave records behind, for example, if the COMMIT of a claim got no answer."""
    expected = store.enqueue(10)
    run = store.run()
    run.begin()
    run.end()
    rescued = store.rescue.sweep()
    assert rescued.pending_ids == expected
    assert rescued.struck_ids == []
    assert store.value("SELECT count(batch_limit) FROM processing_queue") == 0


def test_a_run_that_was_stopping_leaves_no_suspects(store: Store) -> None:
    store.enqueue(1)
    run = store.run()
    run.begin()
    with store.database.transaction() as cursor:
        worker_processes.stop(cursor, run.worker_process_id)
    store.age(run)
    rescued = store.rescue.sweep()
    assert (len(rescued.pending_ids), rescued.struck_ids) == (1, [])
    assert store.value("SELECT crash_strikes FROM processing_queue") == 0


def test_records_of_a_run_that_never_was_are_found(store: Store) -> None:
    expected = store.enqueue(3)
    store.execute(
        "UPDATE processing_queue SET status = 'processing', claimed_at = now(), flow_instance_id = %s,"
        " claim_number = 1",
        (uuid4(),),
    )
    assert store.rescue.sweep().record_count == 0
    assert store.rescue.sweep_overdue().pending_ids == expected


def test_an_overdue_record_is_taken_from_a_run_that_lives(store: Store) -> None:
    expected = store.enqueue(2)
    run = store.run()
    batch = run.begin()
    store.execute(
        "UPDATE processing_queue SET claimed_at = now() - interval '3 hours' WHERE id = %s", (expected[0],)
    )
    assert store.rescue.sweep_overdue().pending_ids == expected[:1]
    assert run.write(completed(batch)).refused_ids == expected[:1]


def test_the_orphan_timeout_of_a_flow_is_waited_for(store: Store) -> None:
    store.enqueue(1)
    store.run().begin()
    store.execute("UPDATE flows SET orphan_timeout_seconds = 4 * 3600")
    store.execute("UPDATE processing_queue SET claimed_at = now() - interval '3 hours'")
    assert store.rescue.sweep_overdue().pending_ids == []
    store.execute("UPDATE flows SET orphan_timeout_seconds = 60")
    assert len(store.rescue.sweep_overdue().pending_ids) == 1


def test_more_than_one_portion_of_overdue_records_is_given_back(store: Store) -> None:
    count = RECORDS_AT_ONCE + 5
    store.enqueue(count)
    store.execute(
        "UPDATE processing_queue SET status = 'processing', claimed_at = now(), flow_instance_id = %s,"
        " claim_number = 1",
        (uuid4(),),
    )
    assert len(store.rescue.sweep_overdue().pending_ids) == count


def test_rescue_does_not_wait_for_a_frozen_transaction(store: Store) -> None:
    """The frozen process holds the locks of the records, and a unique key that the new owner will need."""
    store.execute("CREATE TABLE business (key text UNIQUE)")
    try:
        expected = store.enqueue(5)
        frozen = store.run()
        batch = frozen.begin()
        transaction = frozen.held.transaction()
        cursor = transaction.__enter__()
        cursor.execute("INSERT INTO business VALUES ('invoice 1')")
        frozen.write_in(cursor, completed(batch))
        store.age(frozen)
        assert store.rescue.sweep().pending_ids == expected
        assert store.execute("INSERT INTO business VALUES ('invoice 1')") == 1
        with pytest.raises((psycopg.OperationalError, DatabaseUnavailableError)):
            cursor.execute("SELECT 1")
        assert store.statuses() == {"pending": 5}
    finally:
        store.execute("DROP TABLE business")


def test_several_rescuers_give_back_each_record_once(store: Store) -> None:
    expected = store.enqueue(200)
    runs = [store.run(batch_size=100) for _ in range(2)]
    for run in runs:
        run.begin()
        store.age(run)
    rescues = [in_background(store.rescue.sweep) for _ in range(4)]
    given_back = [record_id for rescue in rescues for record_id in rescue.result(20).pending_ids]
    assert sorted(given_back) == expected
    assert store.value("SELECT sum(rescued) FROM rollup_deltas") == 200


def test_a_record_that_changed_hands_is_not_taken_from_its_new_owner(store: Store) -> None:
    """Rescue sees that the run of the record has no row. Before rescue has the lock, another run claims the
    record."""
    (record_id,) = store.enqueue(1)
    store.execute(
        "UPDATE processing_queue SET status = 'processing', claimed_at = now(), flow_instance_id = %s,"
        " claim_number = 1",
        (uuid4(),),
    )
    owner, rescuer = store.run(), store.held()
    with store.held().transaction() as gate:
        gate.execute("SELECT pg_advisory_xact_lock(8)")
        overdue = in_background(lambda: rescue_overdue_behind_a_gate(rescuer))
        store.wait_until_blocked(rescuer)
        store.execute(
            "UPDATE processing_queue SET status = 'pending', claimed_at = NULL, flow_instance_id = NULL"
        )
        batch = owner.begin()
    assert overdue.result(30) == []
    assert owner.write(completed(batch)).completed_ids == [record_id]


def rescue_overdue_behind_a_gate(rescuer: HeldConnection) -> list[int]:
    statement = behind_a_gate(sql("arrows/rescue_overdue"), b"WHERE q.status")
    with rescuer.transaction() as cursor:
        rows = cursor.execute(
            statement, {"orphan_timeout_seconds": 7200.0, "limit": 10, "max_unfinished_claims": 5}
        ).fetchall()
    return [row[0] for row in rows]


def test_a_dead_run_stays_dead(store: Store) -> None:
    store.enqueue(20)
    run = store.run()
    run.begin()
    store.age(run)
    store.rescue.sweep()
    run.end()
    assert run.claim() == []
    assert store.value("SELECT state FROM flow_execution_logs") == "dead"
    with pytest.raises(psycopg.errors.CheckViolation):
        store.execute(
            "UPDATE flow_execution_logs SET state = 'running', finished_at = NULL, settled_at = NULL"
        )


def test_one_record_that_cannot_be_given_back_yet_does_not_hold_up_the_others(store: Store) -> None:
    expected = store.enqueue(5)
    run = store.run()
    run.begin()
    run.end()
    with store.held().transaction() as cursor:
        cursor.execute("SELECT FROM processing_queue WHERE id = %s FOR UPDATE", (expected[0],))
        assert store.rescue.sweep().pending_ids == expected[1:]
    assert store.rescue.sweep().pending_ids == expected[:1]

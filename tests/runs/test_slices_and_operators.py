"""An operator, a producer that cancels its record, and the run's heartbeat do not wait for the handlers of an express
slice."""

from typing import Any

import pytest

from queue_store.database.statements import sql
from queue_store.liveness import worker_processes
from tests.arrows.test_cancel import cancel
from tests.runs.test_express_slices import begun, held
from tests.support.store import Store, completed, ids, in_background

REPLACE = """
SELECT what FROM enqueue_or_explain('sample', '{"new": 1}', NULL, NULL, NULL, 'd', 'replace', NULL, NULL, NULL, false)
"""
CANCEL_OWN = "SELECT what FROM cancel_own_records(ARRAY[%s])"


def test_a_cancel_asks_for_what_a_slice_holds(store: Store) -> None:
    run = begun(store)
    [first, second] = store.enqueue(2)
    in_hand = held(run)
    assert cancel(store, [first, second]) == {first: "asked", second: "asked"}
    in_hand.settle(completed(in_hand.records[:1]))
    assert store.rescue.sweep().cancelled_ids == [second]
    assert (store.status(first), store.status(second)) == ("completed", "cancelled")


def test_a_producer_who_cancels_does_not_wait_either(store: Store) -> None:
    run = begun(store)
    [record_id] = store.enqueue(1)
    in_hand = held(run)
    assert store.query(CANCEL_OWN, (record_id,)) == [("asked",)]
    in_hand.roll_back()


def test_a_cancel_of_the_rest_of_a_long_slice_reaches_its_run(store: Store) -> None:
    run = begun(store)
    record_ids = store.enqueue(2)
    in_hand = held(run)
    cancel(store, record_ids)
    in_hand.settle([], rest=in_hand.records)
    with store.database.transaction() as cursor:
        news = worker_processes.beat_run(cursor, run.flow_instance_id, run.counts)
    assert news is not None
    assert sorted(news.cancelled_ids) == record_ids


def test_a_change_of_priority_passes_by_what_a_slice_holds(store: Store) -> None:
    run = begun(store)
    [first] = store.enqueue(1)
    in_hand = held(run)
    [second] = store.enqueue(1)
    parameters = {"ids": [first, second], "priority": 0}
    with store.database.transaction() as cursor:
        assert cursor.execute(sql("operators/change_priority"), parameters).fetchall() == [(second,)]
    assert in_hand.settle(completed(in_hand.records))[0].completed_ids == [first]


@pytest.mark.parametrize(
    ("end", "what"), [("claimed", "running"), ("completed", "inserted"), ("let go", "replaced")]
)
def test_a_replacement_learns_what_became_of_the_record(store: Store, end: str, what: str) -> None:
    """The producer that replaces the record waits until the slice has completed, claimed or released the record. If
    a slice takes long, it claims its records."""
    run, producer = begun(store), store.held()
    store.enqueue(1)
    store.execute("UPDATE processing_queue SET dedup_key = 'd' WHERE status = 'pending'")
    in_hand = held(run)

    def replace() -> list[tuple[Any, ...]]:
        with producer.transaction() as cursor:
            return cursor.execute(REPLACE).fetchall()

    replacing = in_background(replace)
    store.wait_until_blocked(producer)
    if end == "claimed":
        in_hand.settle([], rest=in_hand.records)
    elif end == "completed":
        in_hand.settle(completed(in_hand.records))
    else:
        in_hand.roll_back()
    assert replacing.result(30) == [(what,)]


def test_a_pause_a_stop_and_the_beat_of_the_run_itself_wait_for_no_slice(store: Store) -> None:
    run = begun(store)
    record_ids = store.enqueue(2)
    in_hand = held(run)
    with store.database.transaction() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '1s'")
        assert worker_processes.beat_run(cursor, run.flow_instance_id, run.counts) is not None
        cursor.execute("UPDATE flows SET paused_at = now()")
        cursor.execute("UPDATE queue_control SET processing_stopped_at = now()")
    assert in_hand.settle(completed(in_hand.records))[0].completed_ids == record_ids


def test_the_heartbeat_says_how_many_records_a_slice_holds(store: Store) -> None:
    run = begun(store)
    record_ids = store.enqueue(7)
    in_hand = held(run)
    with store.database.transaction() as cursor:
        worker_processes.beat_run(cursor, run.flow_instance_id, run.counts)
    published = "SELECT records_held FROM flow_execution_logs WHERE flow_instance_id = %s"
    assert store.value(published, (run.flow_instance_id,)) == len(record_ids)
    in_hand.roll_back()
    with store.database.transaction() as cursor:
        worker_processes.beat_run(cursor, run.flow_instance_id, run.counts)
    assert store.value(published, (run.flow_instance_id,)) == 0
    assert ids(run.claim()) == record_ids

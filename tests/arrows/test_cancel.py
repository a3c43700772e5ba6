"""A pending record is cancelled at once. If a run is processing the record, the cancel is stored as a request. If the
run later gives the record back, the same statement cancels the record instead."""

from collections.abc import Sequence

import pytest

from queue_store.database.statements import sql
from queue_store.liveness import worker_processes
from queue_store.records.record import Snooze
from tests.support.store import Store, failed


def cancel(store: Store, record_ids: Sequence[int]) -> dict[int, str]:
    with store.database.transaction() as cursor:
        rows = cursor.execute(
            sql("arrows/cancel"),
            {"ids": list(record_ids), "actor": "me", "reason": "a test", "pending_only": False},
        ).fetchall()
    return dict(rows)


def test_pending_is_cancelled_and_processing_is_asked(store: Store) -> None:
    expected = store.enqueue(3)
    run = store.run(batch_size=1)
    batch = run.begin()
    assert cancel(store, expected) == {
        expected[0]: "asked",
        expected[1]: "cancelled",
        expected[2]: "cancelled",
    }
    with store.database.transaction() as cursor:
        news = worker_processes.beat_run(cursor, run.flow_instance_id, run.counts)
    assert news is not None
    assert news.cancelled_ids == expected[:1]
    assert run.cancel(batch) == [expected[0]]
    assert store.statuses() == {"cancelled": 3}
    assert store.value("SELECT count(*) FROM cancel_requests") == 0


def test_the_owner_cannot_cancel_what_nobody_asked_for(store: Store) -> None:
    store.enqueue(1)
    run = store.run()
    assert run.cancel(run.begin()) == []
    assert store.statuses() == {"processing": 1}


@pytest.mark.parametrize("way", ["retry", "fail", "snooze", "release", "rescue", "overdue"])
def test_whoever_gives_the_record_back_performs_the_cancel(store: Store, way: str) -> None:
    (record_id,) = store.enqueue(1)
    run = store.run()
    batch = run.begin()
    cancel(store, [record_id])
    if way == "release":
        run.release(batch)
    elif way == "rescue":
        store.rescue.lost([run.worker_process_id])
    elif way == "overdue":
        store.execute("UPDATE processing_queue SET claimed_at = now() - interval '1 day'")
        store.rescue.sweep_overdue()
    else:
        outcomes = {"retry": failed(batch, 0), "fail": failed(batch), "snooze": [Snooze(batch[0], 0)]}
        run.write(outcomes[way])
    assert store.status(record_id) == "cancelled"
    assert store.value("SELECT count(*) FROM cancel_requests") == 0


def test_what_somebody_has_locked_is_asked_at_once(store: Store) -> None:
    (record_id,) = store.enqueue(1)
    run = store.run()
    with run.held.transaction() as cursor:
        cursor.execute("SELECT FROM processing_queue FOR UPDATE")
        assert cancel(store, [record_id]) == {record_id: "asked"}
        cursor.execute(
            "UPDATE processing_queue SET status = 'processing', claim_number = 1, claimed_at = now(),"
            " flow_instance_id = gen_random_uuid()"
        )
    assert store.status(record_id) == "processing"


def test_a_request_that_came_too_late_does_not_hit_the_attempt_after_a_reset(store: Store) -> None:
    (record_id,) = store.enqueue(1)
    run = store.run()
    run.write(failed(run.begin()))
    store.execute("INSERT INTO cancel_requests (record_id, requested_by) VALUES (%s, 'me')", (record_id,))
    with store.database.transaction() as cursor:
        cursor.execute(sql("arrows/reset"), {"ids": [record_id]})
    assert store.value("SELECT count(*) FROM cancel_requests") == 0

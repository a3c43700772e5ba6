"""A run that lost its claim of a record cannot write anything about that record. Each write returns the refused ids."""

from collections.abc import Callable

import pytest

from queue_store.records.record import Outcome, Record, Snooze
from queue_store.runs.run import Run
from tests.support.store import Store, completed, failed, ids, in_background

WRITES: dict[str, Callable[[list[Record]], list[Outcome]]] = {
    "complete": lambda records: list(completed(records)),
    "retry": lambda records: list(failed(records, 0)),
    "fail": lambda records: list(failed(records)),
    "snooze": lambda records: [Snooze(record, 0) for record in records],
}
ROW = "SELECT status, claim_number, flow_instance_id, retry_count, updated_at FROM processing_queue"


def lose(store: Store, run: Run) -> None:
    """The run is declared dead, but can still reach the database. Only the fence stops it."""
    store.age(run)
    rescued = store.rescue.sweep()
    assert rescued.dead_run_ids == [run.flow_instance_id]


def forgive(store: Store) -> None:
    """Makes suspects normal records again."""
    store.execute("UPDATE processing_queue SET batch_limit = NULL")


@pytest.mark.parametrize("arrow", WRITES)
def test_what_was_taken_away_is_refused_and_reported(store: Store, arrow: str) -> None:
    expected = store.enqueue(5)
    zombie = store.run()
    batch = zombie.begin()
    lose(store, zombie)
    before = store.query(ROW)
    written = zombie.write(WRITES[arrow](batch))
    assert written.refused_ids == expected
    assert zombie.counts.records_refused == 5
    assert store.query(ROW) == before


@pytest.mark.parametrize("arrow", WRITES)
def test_the_new_owner_is_not_disturbed_by_the_old_one(store: Store, arrow: str) -> None:
    expected = store.enqueue(5)
    zombie, owner = store.run(), store.run()
    stale = zombie.begin()
    lose(store, zombie)
    forgive(store)
    batch = owner.begin()
    assert zombie.write(WRITES[arrow](stale)).refused_ids == expected
    assert owner.write(completed(batch)).completed_ids == expected
    assert store.statuses() == {"completed": 5}


@pytest.mark.parametrize("arrow", WRITES)
def test_an_earlier_claim_of_the_same_run_is_refused_too(store: Store, arrow: str) -> None:
    (record_id,) = store.enqueue(1)
    run = store.run()
    first = run.begin()
    run.write([Snooze(first[0], 0)])
    second = run.claim()
    assert second[0].claim_number == first[0].claim_number + 1
    assert run.write(WRITES[arrow](first)).refused_ids == [record_id]
    assert run.write(completed(second)).completed_ids == [record_id]


def test_release_and_cancel_of_what_was_lost_change_nothing(store: Store) -> None:
    expected = store.enqueue(5)
    zombie, owner = store.run(), store.run()
    stale = zombie.begin()
    lose(store, zombie)
    forgive(store)
    owner.begin()
    store.execute(
        "INSERT INTO cancel_requests (record_id, requested_by) SELECT id, 'me' FROM processing_queue"
    )
    assert zombie.release(stale) == []
    assert zombie.cancel(stale) == []
    assert store.statuses() == {"processing": len(expected)}


def test_only_the_lost_part_of_a_batch_is_refused(store: Store) -> None:
    expected = store.enqueue(6)
    run = store.run()
    batch = run.begin()
    store.execute(
        "UPDATE processing_queue SET status = 'pending', claimed_at = NULL, flow_instance_id = NULL"
        " WHERE id = ANY(%s)",
        (expected[::2],),
    )
    written = run.write(completed(batch))
    assert (written.refused_ids, written.completed_ids) == (expected[::2], expected[1::2])


def test_a_rescue_that_waits_for_nobody_leaves_a_writer_its_records(store: Store) -> None:
    """The run has ended, but an open transaction of the run still locks the records that the run has completed. Rescue
    leaves these records alone."""
    expected = store.enqueue(4)
    run = store.run()
    batch = run.begin()
    with run.held.transaction() as cursor:
        assert run.write_in(cursor, completed(batch[:2])).completed_ids == expected[:2]
        with store.held().transaction() as ending:
            run.end_in(ending)
        assert store.rescue.sweep().pending_ids == expected[2:]
    assert store.statuses() == {"completed": 2, "pending": 2}
    assert store.rescue.sweep().record_count == 0
    assert store.value("SELECT settled_at IS NOT NULL FROM flow_execution_logs") is True


def test_a_writer_that_waits_for_rescue_is_refused(store: Store) -> None:
    expected = store.enqueue(4)
    run = store.run()
    batch = run.begin()
    with store.held().transaction() as cursor:
        cursor.execute(
            "UPDATE processing_queue SET status = 'pending', claimed_at = NULL, flow_instance_id = NULL"
        )
        writing = in_background(lambda: run.write(completed(batch)))
        store.wait_until_blocked(run.held)
    assert writing.result(30).refused_ids == expected
    assert store.statuses() == {"pending": 4}


def test_claim_numbers_never_repeat(store: Store) -> None:
    store.enqueue(1)
    seen: list[int] = []
    for _ in range(5):
        run = store.run()
        batch = run.begin()
        seen += [record.claim_number for record in batch]
        lose(store, run)
        store.execute("UPDATE processing_queue SET crash_strikes = 0")
    assert seen == [1, 2, 3, 4, 5]


def test_refused_outcomes_are_counted(store: Store) -> None:
    store.enqueue(3)
    zombie = store.run()
    batch = zombie.begin()
    lose(store, zombie)
    zombie.write(completed(batch))
    assert store.value("SELECT sum(refused) FROM rollup_deltas") == 3
    assert ids(batch) == zombie.write(completed(batch)).refused_ids

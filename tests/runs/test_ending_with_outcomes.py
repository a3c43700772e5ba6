"""If a run's only batch was short and no other record is due, the run ends in the transaction that writes the
outcomes."""

from queue_store.runs.succession import exchange_or_end
from tests.support.store import Store, completed, failed, ids

RUN = "SELECT state, records_completed, records_refused, settled_at IS NOT NULL FROM flow_execution_logs"


def test_it_ends_with_its_outcomes(store: Store) -> None:
    store.enqueue(2)
    run = store.run()
    _, records = exchange_or_end(run, completed(run.begin()))
    assert (records, run.is_ended) == ([], True)
    assert store.query(RUN) == [("ended", 2, 0, True)]


def test_a_refused_outcome_is_counted_as_refused(store: Store) -> None:
    store.enqueue(2)
    run = store.run()
    records = run.begin()
    run.release(records[:1])
    store.execute(
        "UPDATE processing_queue SET scheduled_at = now() + interval '1 hour' WHERE status = 'pending'"
    )
    written, _ = exchange_or_end(run, completed(records))
    run.end()
    assert written.refused_ids == [records[0].id]
    assert store.query(RUN) == [("ended", 1, 1, True)]


def test_what_came_meanwhile_is_claimed(store: Store) -> None:
    store.enqueue(2)
    run = store.run()
    records = run.begin()
    [late] = store.enqueue(1, priority=0)
    exchange_or_end(run, completed(records))
    assert not run.is_ended
    assert ids(run.claim(or_end=True)) == [late]


def test_a_record_below_the_cursor_is_claimed(store: Store) -> None:
    """A record below the cursor may have been committed late, retried or rescued."""
    store.enqueue(2)
    run = store.run()
    records = run.begin()
    [late] = store.enqueue(1, delay=-3600)
    exchange_or_end(run, completed(records))
    assert not run.is_ended
    assert ids(run.claim(or_end=True)) == [late]


def test_with_a_record_in_hand_it_goes_on(store: Store) -> None:
    store.enqueue(2)
    run = store.run()
    records = run.begin()
    exchange_or_end(run, completed(records[:1]))
    assert not run.is_ended
    exchange_or_end(run, completed(records[1:]))
    assert run.is_ended


def test_what_is_due_later_does_not_keep_it_going(store: Store) -> None:
    store.enqueue(1)
    run = store.run()
    records = run.begin()
    store.enqueue(1, delay=3600)
    exchange_or_end(run, completed(records))
    assert run.is_ended


def test_what_cannot_be_claimed_is_left_to_the_claim(store: Store) -> None:
    """For example, a record of a paused flow cannot be claimed."""
    store.enqueue(1)
    run = store.run()
    records = run.begin()
    store.enqueue(1)
    store.execute("UPDATE flows SET paused_at = now()")
    exchange_or_end(run, completed(records))
    assert not run.is_ended
    assert run.claim(or_end=True) == []
    assert run.is_ended
    assert store.query(RUN) == [("ended", 1, 0, True)]


def test_with_suspects_it_goes_on(store: Store) -> None:
    store.enqueue(2)
    run = store.run()
    records = run.begin()
    [suspect] = store.enqueue(1)
    store.execute("UPDATE processing_queue SET batch_limit = 1 WHERE id = %s", (suspect,))
    exchange_or_end(run, completed(records))
    assert not run.is_ended
    assert ids(run.claim(or_end=True)) == [suspect]


def test_with_a_retry_it_goes_on(store: Store) -> None:
    store.enqueue(1)
    run = store.run()
    records = run.begin()
    exchange_or_end(run, failed(records, retry_delay_seconds=0))
    assert not run.is_ended
    assert ids(run.claim(or_end=True)) == ids(records)


def test_after_a_full_batch_it_goes_on(store: Store) -> None:
    store.enqueue(10)
    run = store.run()
    exchange_or_end(run, completed(run.begin()))
    assert not run.is_ended

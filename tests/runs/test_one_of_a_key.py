"""Records of one order_key are processed one after the other, even if an earlier record becomes claimable while a later
one is processed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from queue_store.errors import ConflictError
from queue_store.explain import explain_record
from queue_store.flows import with_work
from queue_store.operators.operators import Operators
from queue_store.runs.run import Run
from queue_store.settings import ProcessorSettings
from tests.support.store import Store, failed, ids, in_background

KEY = {"order_key": "tenant"}


@contextmanager
def committed_late(store: Store) -> Iterator[int]:
    """Yields the id of a record that is inserted now, but committed only at the end of the block."""
    with store.held().transaction() as cursor:
        row = cursor.execute(
            "INSERT INTO processing_queue (flow_name, order_key) VALUES ('sample', 'tenant') RETURNING id"
        ).fetchone()
        assert row is not None
        yield row[0]


def late(store: Store) -> int:
    run = store.run()
    with committed_late(store) as earlier:
        store.enqueue(1, **KEY)
        assert len(run.begin()) == 1
    return earlier


def reset(store: Store) -> int:
    run = store.run(batch_size=1)
    earlier, _ = store.enqueue(2, **KEY)
    run.write(failed(run.begin()))
    assert len(run.claim()) == 1
    Operators(store.database).reset([earlier], actor="olga")
    return earlier


def by_walking(store: Store, run: Run) -> None:
    pass


def from_head_to_head(store: Store, run: Run) -> None:
    run.position.scan_keys_for(float("inf"))


def as_a_suspect(store: Store, run: Run) -> None:
    store.execute("UPDATE processing_queue SET batch_limit = 5 WHERE status = 'pending'")


@pytest.mark.parametrize("appear", [late, reset])
@pytest.mark.parametrize("claim", [by_walking, from_head_to_head, as_a_suspect])
def test_it_comes_next(
    store: Store, appear: Callable[[Store], int], claim: Callable[[Store, Run], None]
) -> None:
    earlier = appear(store)
    other = store.run()
    claim(store, other)
    assert other.begin() == []
    with store.database.transaction() as cursor:
        assert with_work(cursor) == []
        reasons = explain_record(cursor, ProcessorSettings(), earlier).reasons
    assert "waiting_for_key" in {reason.code for reason in reasons}
    store.execute(
        "UPDATE processing_queue SET status = 'completed', completed_at = now() WHERE id <> %s", (earlier,)
    )
    assert ids(other.begin()) == [earlier]


def test_a_suspect_that_comes_next_does_not_hold_up_the_others(store: Store) -> None:
    """The suspect `earlier` waits, because a later record of its key is being processed. The other suspects do not wait
    for `earlier`, whatever their batch limit is."""
    earlier = late(store)
    first, second = store.enqueue(2)
    store.execute("UPDATE processing_queue SET batch_limit = 5 WHERE id = ANY(%s)", ([earlier, first],))
    store.execute("UPDATE processing_queue SET batch_limit = 3 WHERE id = %s", (second,))
    run = store.run()
    assert ids(run.begin()) == [first]
    assert ids(run.claim()) == [second]
    assert run.claim() == []


def test_a_record_that_comes_next_is_not_taken_for_the_one_that_has_waited_longest(store: Store) -> None:
    earlier = late(store)
    store.execute(
        "UPDATE processing_queue SET priority = 9, scheduled_at = now() - interval '1 day' WHERE id = %s",
        (earlier,),
    )
    store.enqueue(1, priority=7)
    run = store.run()
    with store.database.transaction() as cursor:
        assert run.claimer.oldest_waiting_level(cursor) == 7


def test_two_who_claim_at_this_moment_do_not_run_side_by_side(store: Store) -> None:
    """The first run has claimed the later record but has not committed yet when the earlier record becomes
    visible."""
    first, second = store.run(batch_size=1), store.run(batch_size=1)
    store.enqueue(2)
    assert first.begin()
    assert second.begin()
    with first.held.transaction() as cursor:
        with committed_late(store) as earlier:
            (later,) = store.enqueue(1, **KEY)
            assert ids(first.claimer.claim(cursor, first.batch_size)) == [later]
        rival = in_background(second.claim)
        store.wait_until_blocked(second.held)
    with pytest.raises(ConflictError, match="order_key"):
        rival.result(30)
    (unkeyed,) = store.enqueue(1)
    assert ids(second.claim()) == [unkeyed]
    assert store.status(earlier) == "pending"

"""A smaller priority is more urgent. More urgent records do not keep other records waiting indefinitely."""

from collections.abc import Iterator

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.runs.run import Run
from tests.support.flow_runs import Worker
from tests.support.store import Store, completed, exchange, ids, store_on


@pytest.fixture
def small(database: DatabaseManager) -> Iterator[Store]:
    with store_on(database, batch_size=2) as store:
        store.add_flow()
        yield store


def run_that_ages(store: Store, aging_claims: int) -> Run:
    run = store.run()
    run.position.aging_claims = aging_claims
    return run


def test_the_smaller_level_is_claimed_first_whatever_was_enqueued_first(small: Store) -> None:
    by_level = {level: small.enqueue(2, priority=level) for level in (9, 5, 0, 7)}
    run = small.run()
    claimed = [ids(run.begin()), *(ids(run.claim()) for _ in range(3))]
    assert claimed == [by_level[level] for level in (0, 5, 7, 9)]


def test_a_batch_is_filled_up_from_the_next_level(small: Store) -> None:
    relaxed = small.enqueue(2, priority=6)
    urgent = small.enqueue(1, priority=2)
    assert ids(small.run().begin()) == [*urgent, relaxed[0]]


def test_within_a_level_the_one_that_is_due_first_comes_first(small: Store) -> None:
    later = small.enqueue(1, delay=-10)
    sooner = small.enqueue(1, delay=-20)
    assert ids(small.run().begin()) == [*sooner, *later]


def test_what_is_urgent_but_not_due_keeps_nobody_waiting(small: Store) -> None:
    small.enqueue(3, priority=0, delay=3600)
    relaxed = small.enqueue(1, priority=9)
    assert ids(small.run().begin()) == relaxed


def test_every_nth_claim_begins_at_the_level_that_waits_longest(small: Store) -> None:
    """There is a long backlog at an urgent level, and an older record at the last level."""
    old = small.enqueue(1, priority=9, delay=-60)
    urgent = small.enqueue(20, priority=0)
    run = run_that_ages(small, aging_claims=3)
    claimed = [ids(run.begin()), *(ids(run.claim()) for _ in range(2))]
    assert claimed[:2] == [urgent[:2], urgent[2:4]]
    assert set(claimed[2]) == {*old, urgent[4]}


def test_an_aging_claim_prefers_no_level_that_waits_less_long(small: Store) -> None:
    small.enqueue(4, priority=9, delay=-10)
    urgent = small.enqueue(4, priority=3, delay=-60)
    run = run_that_ages(small, aging_claims=1)
    assert ids(run.begin()) == urgent[:2]


def test_the_claim_that_goes_with_outcomes_ages_too(small: Store) -> None:
    old = small.enqueue(1, priority=9, delay=-60)
    small.enqueue(20, priority=0)
    run = run_that_ages(small, aging_claims=2)
    written, batch = exchange(run, completed(run.begin()))
    assert len(written.completed_ids) == 2
    assert old[0] in ids(batch)


def test_a_worker_handles_the_urgent_ones_first(worker: Worker) -> None:
    handled: list[int] = []
    flow = worker.declare(handled.append, name="sample", batch_size=3)
    for level in (8, 4, 1):
        worker.enqueue("sample", [level] * 4, priority=level)
    worker.run(flow)
    assert handled == [1] * 4 + [4] * 4 + [8] * 4

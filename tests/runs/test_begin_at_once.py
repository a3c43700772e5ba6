"""A run sends its first claim before it knows the batch size of its flow. Nevertheless, the claim obeys the settings of
operators, and takes suspects first."""

from tests.support.store import Store, ids


def test_a_smaller_batch_size_counts_for_the_next_run(store: Store) -> None:
    store.enqueue(8)
    run = store.run()
    store.execute("UPDATE flows SET batch_size_override = 3")
    assert len(run.begin()) == 3
    assert store.statuses() == {"processing": 3, "pending": 5}
    assert store.value("SELECT sum(claimed) FROM rollup_deltas") == 3


def test_a_larger_batch_size_counts_for_the_next_run(store: Store) -> None:
    store.enqueue(30)
    run = store.run()
    store.execute("UPDATE flows SET batch_size_override = 20")
    assert len(run.begin()) == 20


def test_a_run_knows_the_batch_size_that_the_last_one_learned(store: Store) -> None:
    store.enqueue(8)
    first = store.run()
    store.execute("UPDATE flows SET batch_size_override = 3")
    first.begin()
    assert first.position.batch_size == 3


def test_suspects_are_claimed_first(store: Store) -> None:
    store.enqueue(3)
    [suspect] = store.enqueue(1)
    store.execute("UPDATE processing_queue SET batch_limit = 1 WHERE id = %s", (suspect,))
    run = store.run()
    assert ids(run.begin()) == [suspect]
    assert run.claimer.claimed_suspects


def test_a_run_above_the_cap_claims_nothing(store: Store) -> None:
    store.execute("UPDATE flows SET max_runs = 1")
    store.enqueue(30)
    assert store.run().begin()
    late = store.run()
    assert late.begin() == []
    assert not late.is_registered
    assert store.statuses() == {"processing": 10, "pending": 20}

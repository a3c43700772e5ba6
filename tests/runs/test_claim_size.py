"""A batch is never larger than requested, whatever plan Postgres chooses."""

import pytest

from queue_store.database.manager import DatabaseManager
from tests.support.servers import connect
from tests.support.store import Store, completed, exchange, ids, store_on

PLANS = [
    (),
    ("enable_hashjoin", "enable_mergejoin", "enable_material"),
    ("enable_nestloop", "enable_mergejoin"),
    ("enable_nestloop", "enable_hashjoin"),
    ("enable_indexscan", "enable_bitmapscan", "enable_indexonlyscan"),
    ("enable_seqscan", "enable_sort"),
]


@pytest.fixture
def own_store(own_database_url: str):
    manager = connect(own_database_url)
    with store_on(manager, batch_size=7) as store:
        store.add_flow()
        yield store
    manager.dispose()


def lie_about_statistics(store: Store) -> None:
    """Analyses the table before it is filled, so that the planner expects one row."""
    store.execute("ANALYZE processing_queue")
    store.execute("ALTER TABLE processing_queue SET (autovacuum_enabled = off)")


@pytest.mark.parametrize("switched_off", PLANS, ids=lambda names: "+".join(names) or "as planned")
def test_a_batch_is_never_larger_than_asked_for(own_store: Store, switched_off: tuple[str, ...]) -> None:
    lie_about_statistics(own_store)
    for priority in (2, 5, 9):
        own_store.enqueue(300, priority=priority)
    run = own_store.run()
    for name in switched_off:
        run.held.driver.execute(f"SET {name} = off".encode())
    run.held.driver.execute("SET plan_cache_mode = force_generic_plan")
    run.held.driver.commit()
    sizes = [len(run.begin())] + [len(run.claim()) for _ in range(20)]
    assert sizes == [7] * 21
    assert own_store.statuses() == {"pending": 900 - 147, "processing": 147}


@pytest.mark.parametrize("switched_off", PLANS, ids=lambda names: "+".join(names) or "as planned")
def test_a_batch_of_suspects_is_never_larger_than_their_limit(
    own_store: Store, switched_off: tuple[str, ...]
) -> None:
    lie_about_statistics(own_store)
    own_store.enqueue(300)
    own_store.execute("UPDATE processing_queue SET batch_limit = 3")
    run = own_store.run()
    for name in switched_off:
        run.held.driver.execute(f"SET {name} = off".encode())
    run.held.driver.commit()
    assert [len(run.begin())] + [len(run.claim()) for _ in range(10)] == [3] * 11


def test_the_claim_that_shares_a_transaction_with_outcomes_is_not_larger_either(
    database: DatabaseManager,
) -> None:
    with store_on(database, batch_size=7) as store:
        store.add_flow()
        store.enqueue(100)
        run = store.run()
        batch = run.begin()
        for _ in range(10):
            written, following = exchange(run, completed(batch))
            assert written.completed_ids == sorted(ids(batch))
            assert len(following) == 7
            batch = following

"""Tests three of the tricks that steer plans: one scan for each priority, plans that a run makes once, and searches
that are never prepared. queue_store/sql/README.md names the tests of the other tricks."""

from collections.abc import Iterator

import pytest

from queue_store.database.statements import sql
from queue_store.readings.records import RecordFilter, find_records
from queue_store.runs.queue_position import LEVELS
from queue_store.runs.run import Run
from tests.runs.test_claim_cost import buffers_in
from tests.support.servers import connect
from tests.support.store import Store, completed, exchange, store_on

PLANS_OF_RUN = """
SELECT coalesce(sum(custom_plans), 0)::int, coalesce(sum(generic_plans), 0)::int
FROM pg_prepared_statements WHERE statement LIKE '%UPDATE %.processing_queue%'
"""
WHOLE_WALKS = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'processing_queue'"
PREPARED_SEARCHES = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%looked_at%'"
TIMES_UNTIL_PREPARED = 10  # psycopg prepares a statement when it is sent for the sixth time


@pytest.fixture
def own_store(own_database_url: str) -> Iterator[Store]:
    manager = connect(own_database_url)
    with store_on(manager) as store:
        store.execute("ALTER TABLE processing_queue SET (autovacuum_enabled = off)")
        store.add_flow()
        yield store
    manager.dispose()


def work_off(run: Run) -> None:
    batch = run.begin()
    while batch:
        _, batch = exchange(run, completed(batch))


def test_the_next_future_record_is_found_without_a_walk_over_all_of_them(own_store: Store) -> None:
    """With one short scan for each priority, Postgres finds the next future record. With a single scan over
    all priorities, Postgres would have to read all future records."""
    own_store.enqueue(20_000, priority=1, delay=7_200)
    own_store.enqueue(20, priority=5, delay=3_600)
    statement = b"EXPLAIN (ANALYZE, BUFFERS) " + sql("explain/due")
    with own_store.database.transaction() as cursor:
        rows = cursor.execute(statement, {"flow_name": "sample", "limit": 1_000}).fetchall()
    assert buffers_in("\n".join(row[0] for row in rows)) <= 100


def test_a_run_ends_without_a_walk_over_all_future_records(own_store: Store) -> None:
    own_store.enqueue(1, priority=1)
    run = own_store.run()
    run.begin()
    own_store.enqueue(20_000, priority=1, delay=7_200)
    statement = b"EXPLAIN (ANALYZE, BUFFERS) " + sql("runs/end_idle_run")
    parameters = run.parameters | {"levels": list(LEVELS)} | run.counts.parameters()
    with own_store.database.transaction() as cursor:
        cursor.execute(sql("runs/plan_once"), run.parameters)
        rows = cursor.execute(statement, parameters).fetchall()
    assert buffers_in("\n".join(row[0] for row in rows)) <= 100


def test_a_run_plans_each_statement_once(own_store: Store) -> None:
    own_store.enqueue(10 * TIMES_UNTIL_PREPARED)
    run = own_store.run(batch_size=10)
    work_off(run)
    custom, generic = run.held.driver.execute(PLANS_OF_RUN.encode()).fetchone() or (0, 0)
    assert custom == 0
    assert generic > 0


@pytest.mark.parametrize(
    "name", ["runs/plan_once", "runs/begin_slice", "runs/lock_flow", "readings/plan_by_index"]
)
def test_a_steered_statement_is_never_compiled(own_store: Store, name: str) -> None:
    """Before Postgres 18, `enable_seqscan = off` makes the cost of a statement seem high enough for JIT compilation.
    A session turns `jit` off when it connects, but not behind PgBouncer."""
    run = own_store.run()
    run.begin()
    parameters = run.parameters | {"idle_timeout": "10s", "flow_name": "sample", "lock_timeout": None}
    with own_store.database.transaction() as cursor:
        cursor.execute("SET LOCAL jit = on")
        cursor.execute(sql(name), parameters)
        assert cursor.execute("SELECT current_setting('jit')").fetchone() == ("off",)


def test_plans_made_for_a_small_table_use_indexes_when_it_has_grown(own_store: Store) -> None:
    own_store.enqueue(10 * TIMES_UNTIL_PREPARED)
    run = own_store.run(batch_size=10)
    batch = run.begin()
    for _ in range(TIMES_UNTIL_PREPARED - 2):
        _, batch = exchange(run, completed(batch))
    own_store.enqueue(20_000)
    before = whole_walks(run)
    for _ in range(20):
        _, batch = exchange(run, completed(batch))
    assert whole_walks(run) == before


def whole_walks(run: Run) -> int:
    """How often the whole table was read, by this run or by any other session."""
    driver = run.held.driver
    driver.execute(b"SELECT pg_stat_force_next_flush()")
    driver.commit()
    driver.execute(b"SELECT pg_stat_clear_snapshot()")
    (count,) = driver.execute(WHOLE_WALKS.encode()).fetchone() or (0,)
    driver.commit()
    return int(count)


def test_a_search_is_planned_for_its_filters_however_often_it_is_made(own_store: Store) -> None:
    own_store.enqueue(50)
    with own_store.database.transaction() as cursor:
        for _ in range(TIMES_UNTIL_PREPARED):
            assert len(find_records(cursor, RecordFilter(status="pending")).records) == 50
            assert find_records(cursor, RecordFilter(status="failed", error="away")).records == []
        prepared = cursor.execute(PREPARED_SEARCHES.encode()).fetchone()
    assert prepared == (0,)

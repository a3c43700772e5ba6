"""A move reads only the records of its flow and their attempts, even if these are few among many."""

from collections.abc import Iterator

import pytest

from queue_store.operators.operators import Operators
from tests.support.restoring import restore_rows
from tests.support.servers import connect
from tests.support.store import Store, store_on

MANY, FEW, TIMES = 30_000, 20, 20
FILL = """
WITH filled AS (
    INSERT INTO processing_queue (flow_name, status, retry_count, error_message)
    SELECT CASE WHEN n <= %(few)s THEN 'gone' ELSE 'sample' END, CASE n %% 2 WHEN 0 THEN 'pending' ELSE 'failed' END,
        CASE n %% 2 WHEN 0 THEN 0 ELSE 1 END, CASE n %% 2 WHEN 1 THEN 'ValueError: no' END
    FROM generate_series(1, %(many)s) AS n
    RETURNING id, flow_name, status)
INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,
    exception_type, error_message, error_group)
SELECT id, 0, 1, flow_name, gen_random_uuid(), 'failed', 'ValueError', 'no', 'ValueError'
FROM filled WHERE status = 'failed'
"""
READ = """
SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname = ANY(%(tables)s))::bigint
    + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = ANY(%(tables)s))::bigint
"""


@pytest.fixture(params=["statistics", "no statistics"])
def own_store(own_database_url: str, request: pytest.FixtureRequest) -> Iterator[Store]:
    manager = connect(own_database_url)
    with store_on(manager) as store:
        store.add_flow("new")
        for table in ("processing_queue", "record_attempts"):
            store.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        with store.database.transaction() as cursor:
            restore_rows(cursor)
            cursor.execute(FILL.encode(), {"few": FEW, "many": MANY})
        if request.param == "statistics":
            store.execute("ANALYZE processing_queue, record_attempts")
        yield store
    manager.dispose()


def rows_read(store: Store) -> int:
    store.execute("SELECT pg_stat_force_next_flush()")
    store.execute("SELECT pg_stat_clear_snapshot()")
    return int(store.value(READ, {"tables": ["processing_queue", "record_attempts"]}))


def test_a_move_reads_only_the_records_of_its_flow(own_store: Store) -> None:
    before = rows_read(own_store)
    moved = Operators(own_store.database).move("gone", "new", actor="me")
    assert len(moved.pending_ids) + len(moved.failed_ids) == FEW
    assert rows_read(own_store) - before <= TIMES * FEW

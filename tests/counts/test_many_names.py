"""With many flow names, statements look at each name once and find its records through an index, even if the planner's
statistics are outdated."""

from collections.abc import Iterator

import pytest

from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from queue_store.flows import with_work
from queue_store.readings.flow_counts import read_flow_counts
from queue_store.readings.waiting_for_keys import read_flows_waiting_for_keys
from queue_store.settings import DatabaseSettings, parse_database_url
from tests.support.pgbouncer import direct_only
from tests.support.servers import connect

# A statement that compares each name with every other name, or reads all records for each name, takes longer than
# BOUND. A statement that looks at each name once takes a tenth of BOUND.
BOUND = "3s"
STATEMENTS = (
    "INSERT INTO processing_queue (flow_name, scheduled_at) SELECT 'one', now() FROM generate_series(1, {analysed})",
    "ANALYZE",
    "DELETE FROM processing_queue",
    "DELETE FROM rollup_deltas",
    "DELETE FROM rollup_totals",
    "INSERT INTO processing_queue (flow_name, scheduled_at)"
    " SELECT 'name_' || n, now() - interval '1 minute' FROM generate_series(1, 10000) n",
)


REGISTER = """
INSERT INTO flows (flow_name, celery_queue, batch_size, max_retries, orphan_timeout_seconds, declared)
SELECT DISTINCT flow_name, 'flows', 100, 3, 7200, '{}'::jsonb FROM processing_queue
"""
PLANNER_SETTINGS = """
SELECT name, setting FROM pg_settings WHERE name LIKE 'enable%' OR name IN ('plan_cache_mode', 'jit') ORDER BY name
"""


@pytest.fixture(params=[10, 5000])
def many_names(own_database_url: str, request: pytest.FixtureRequest) -> Iterator[DatabaseManager]:
    """The planner's statistics date from a time when all records belonged to one flow, and the tables of counts had
    rows for few flow names. So the planner expects each name to have all records. If there were ten records when the
    statistics were collected, the planner expects a scan of the whole table for each name to be cheapest."""
    with_one = connect(own_database_url)
    for statement in STATEMENTS:
        with with_one.transaction() as cursor:
            cursor.execute(statement.format(analysed=request.param).encode())
    with_one.dispose()
    manager = DatabaseManager(
        settings=DatabaseSettings(url=parse_database_url(own_database_url)),
        session_settings={"statement_timeout": BOUND},
    )
    yield manager
    manager.dispose()


@direct_only
def test_depths_are_sampled_and_counts_are_read_in_time(many_names: DatabaseManager) -> None:
    assert rollups.fold(many_names) == 10_000
    with many_names.transaction() as cursor:
        assert cursor.execute("SHOW statement_timeout").fetchone() == (BOUND,)
        assert len(read_flow_counts(cursor)) == 10_000
        depths = cursor.execute("SELECT count(*), sum(pending) FROM depth_minutes").fetchone()
    assert depths == (10_000, 10_000)


@direct_only
def test_flows_with_work_are_found_in_time(many_names: DatabaseManager) -> None:
    with many_names.transaction() as cursor:
        cursor.execute(REGISTER)
        assert len(with_work(cursor)) == 10_000


@direct_only
@pytest.mark.parametrize("order_key", [None, "one"])
def test_flows_whose_due_records_cannot_be_claimed_are_found_in_time(
    many_names: DatabaseManager, order_key: str | None
) -> None:
    with many_names.transaction() as cursor:
        names = [row[0] for row in cursor.execute("SELECT flow_name FROM processing_queue").fetchall()]
        cursor.execute("UPDATE processing_queue SET order_key = %s", (order_key,))
        assert read_flows_waiting_for_keys(cursor, names, grace_seconds=0) == set()
        cursor.execute("UPDATE processing_queue SET scheduled_at = now() + interval '1 hour'")
        assert len(read_flows_waiting_for_keys(cursor, names, grace_seconds=0)) == 10_000


@direct_only
def test_other_statements_of_the_transaction_are_planned_as_before(many_names: DatabaseManager) -> None:
    with many_names.transaction() as cursor:
        for setting in ("enable_seqscan = off", "plan_cache_mode = force_generic_plan", "jit = on"):
            cursor.execute(f"SET LOCAL {setting}".encode())
        before = cursor.execute(PLANNER_SETTINGS).fetchall()
        read_flow_counts(cursor)
        with_work(cursor)
        assert cursor.execute(PLANNER_SETTINGS).fetchall() == before

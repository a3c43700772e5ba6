"""With ten thousand flow names, statements look at each name once, even if the planner's statistics are outdated."""

from collections.abc import Iterator

import pytest

from queue_store.counts.rollups import COUNT_LIMIT
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.readings.flow_counts import read_flow_counts
from queue_store.settings import DatabaseSettings, parse_database_url
from tests.support.pgbouncer import direct_only
from tests.support.servers import connect

# Comparing each name with every other name takes longer than this. Looking at each name once takes a tenth of this
# time.
BOUND = "3s"
STATEMENTS = (
    "INSERT INTO processing_queue (flow_name, scheduled_at) SELECT 'one', now() FROM generate_series(1, 5000)",
    "ANALYZE",
    "DELETE FROM processing_queue",
    "DELETE FROM rollup_deltas",
    "DELETE FROM rollup_totals",
    "INSERT INTO processing_queue (flow_name, scheduled_at)"
    " SELECT 'name_' || n, now() - interval '1 minute' FROM generate_series(1, 10000) n",
)


@pytest.fixture
def many_names(own_database_url: str) -> Iterator[DatabaseManager]:
    """The planner's statistics were made when one flow had all records, and the counts had few names."""
    with_one = connect(own_database_url)
    for statement in STATEMENTS:
        with with_one.transaction() as cursor:
            cursor.execute(statement.encode())
    with_one.dispose()
    manager = DatabaseManager(
        settings=DatabaseSettings(url=parse_database_url(own_database_url)),
        session_settings={"statement_timeout": BOUND},
    )
    yield manager
    manager.dispose()


@direct_only
def test_depths_are_sampled_and_counts_are_read_in_time(many_names: DatabaseManager) -> None:
    with many_names.transaction() as cursor:
        cursor.execute(sql("counts/sample_depths"), {"limit": COUNT_LIMIT})
        assert cursor.execute("SHOW statement_timeout").fetchone() == (BOUND,)
        assert len(read_flow_counts(cursor)) == 10_000
        depths = cursor.execute("SELECT count(*), sum(pending) FROM depth_minutes").fetchone()
    assert depths == (10_000, 10_000)

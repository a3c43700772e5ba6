"""A purge by status reads each record only a few times, even if the planner has no statistics or outdated ones."""

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from queue_store.operators.operators import Operators
from tests.database.test_the_weekly_reset_reads_each_failed_record_a_few_times import records_read
from tests.support.servers import connect
from tests.support.store import Store, store_on

RECORDS, TIMES = 20_000, 5
FILL = """
INSERT INTO processing_queue (flow_name, status, updated_at)
SELECT 'sample', 'cancelled', now() - interval '1 hour' FROM generate_series(1, %s)
"""


@pytest.fixture(params=["no statistics", "statistics of no records"])
def own_store(own_database_url: str, request: pytest.FixtureRequest) -> Iterator[Store]:
    manager = connect(own_database_url)
    with store_on(manager) as store:
        store.add_flow()
        store.execute("ALTER TABLE processing_queue SET (autovacuum_enabled = off)")
        with psycopg.connect(own_database_url) as filler:
            filler.execute(FILL.encode(), (RECORDS,))
            if request.param == "statistics of no records":
                store.execute("ANALYZE processing_queue")  # before the COMMIT of the records
        yield store
    manager.dispose()


def test_a_purge_reads_each_record_a_few_times(own_store: Store) -> None:
    before = records_read(own_store)
    assert Operators(own_store.database).purge("cancelled", timedelta(0), actor="me") == RECORDS
    assert RECORDS <= records_read(own_store) - before <= TIMES * RECORDS

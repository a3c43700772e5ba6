"""A search reads only the newest records, as many as it may look at, even if the planner has no statistics."""

from collections.abc import Iterator

import pytest

from queue_store.readings.records import RecordFilter, find_records
from tests.database.test_the_weekly_reset_reads_each_failed_record_a_few_times import records_read
from tests.support.servers import connect
from tests.support.store import Store, store_on

RECORDS, LOOK_AT_MOST, TIMES = 30_000, 500, 5


@pytest.fixture
def own_store(own_database_url: str) -> Iterator[Store]:
    manager = connect(own_database_url)
    with store_on(manager) as store:
        store.add_flow()
        store.execute("ALTER TABLE processing_queue SET (autovacuum_enabled = off)")
        store.enqueue(RECORDS)
        assert store.value("SELECT reltuples FROM pg_class WHERE relname = 'processing_queue'") == -1
        yield store
    manager.dispose()


@pytest.mark.parametrize("wanted", [RecordFilter(error="never seen"), RecordFilter(payload_key="never seen")])
def test_a_search_looks_at_the_newest_records_only(own_store: Store, wanted: RecordFilter) -> None:
    before = records_read(own_store)
    with own_store.database.transaction() as cursor:
        page = find_records(cursor, wanted, look_at_most=LOOK_AT_MOST)
        assert cursor.execute("SHOW enable_bitmapscan").fetchone() == ("on",)
    assert page.records == []
    assert page.next_before_id is not None
    assert LOOK_AT_MOST <= records_read(own_store) - before <= TIMES * LOOK_AT_MOST

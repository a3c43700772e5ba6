"""The weekly reset reads each failed record only a few times, even if all of them have a dedup_key and are of one flow.
It reads no other records."""

from collections.abc import Iterator

import pytest

from queue_store import maintenance
from queue_store.maintenance import weekly_reset
from queue_store.settings import ProcessorSettings
from tests.support.restoring import restore_rows
from tests.support.servers import connect
from tests.support.store import Store, store_on

RECORDS, FEW, PAGE, TIMES = 20_000, 1_000, 100, 5
FILL = """
INSERT INTO processing_queue (flow_name, status, retry_count, error_message, dedup_key, updated_at)
SELECT 'sample', 'failed', 1, 'ValueError: no', 'key ' || n %% (%(records)s / %(twins)s),
    now() - (%(records)s - n) * interval '1 minute'
FROM generate_series(1, %(records)s) n
"""
READ = """
SELECT (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'processing_queue')::bigint
    + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'processing_queue')::bigint
"""


@pytest.fixture(params=["statistics of a full table", "statistics of an empty table"])
def own_store(
    own_database_url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Store, bool]]:
    monkeypatch.setattr(weekly_reset, "RECORDS_AT_ONCE", PAGE)
    manager = connect(own_database_url)
    with store_on(manager) as store:
        store.add_flow()
        store.execute("ALTER TABLE processing_queue SET (autovacuum_enabled = off)")
        store.execute("ANALYZE processing_queue")
        yield store, request.param == "statistics of a full table"
    manager.dispose()


def fill(store: Store, twins: int, *, analyse: bool, records: int = RECORDS) -> None:
    with store.database.transaction() as cursor:
        restore_rows(cursor)
        cursor.execute(FILL.encode(), {"records": records, "twins": twins})
    if analyse:
        store.execute("ANALYZE processing_queue")


def records_read(store: Store) -> int:
    """Counts the records that this process has read so far, in its only session."""
    store.execute("SELECT pg_stat_force_next_flush()")
    store.execute("SELECT pg_stat_clear_snapshot()")
    return int(store.value(READ))


@pytest.mark.parametrize("twins", [1, 10, RECORDS], ids=["distinct keys", "ten of each key", "one key"])
def test_the_number_of_records_read_grows_with_the_number_of_failed_records(
    own_store: tuple[Store, bool], twins: int
) -> None:
    store, analyse = own_store
    fill(store, twins, analyse=analyse)
    before = records_read(store)
    with maintenance.begin(store.database, "reset", dry_run=True, actor="anna") as run:
        assert maintenance.reset_failed(run, ProcessorSettings(), 3) == RECORDS // twins
    assert RECORDS <= records_read(store) - before <= TIMES * RECORDS


def test_records_that_did_not_fail_are_not_read_even_if_the_statistics_are_outdated(
    own_store: tuple[Store, bool],
) -> None:
    """When the statistics were made, either all records had failed, or the table was empty."""
    store, analyse = own_store
    fill(store, 10, analyse=analyse, records=FEW)
    store.enqueue(RECORDS)
    before = records_read(store)
    with maintenance.begin(store.database, "reset", dry_run=True, actor="anna") as run:
        assert maintenance.reset_failed(run, ProcessorSettings(), 3) == FEW // 10
    assert FEW <= records_read(store) - before <= TIMES * FEW

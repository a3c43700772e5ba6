"""Every way to search finds the same records, and reads a bounded number of rows."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.readings import records
from queue_store.readings.records import RecordFilter, find_records
from tests.support.page_data import fill


@pytest.fixture
def queue(database: DatabaseManager) -> DatabaseManager:
    fill(database, count=120, minutes=5)
    return database


def every_id(
    database: DatabaseManager, wanted: RecordFilter, limit: int = 7, look_at_most: int = 25
) -> list[int]:
    ids: list[int] = []
    with database.transaction() as cursor:
        while True:
            page = find_records(cursor, wanted, limit, look_at_most)
            assert len(page.records) <= limit
            ids += [record.id for record in page.records]
            if page.next_before_id is None:
                return ids
            wanted = replace(wanted, before_id=page.next_before_id)


@pytest.mark.parametrize("few", [0, 5_000])
@pytest.mark.parametrize(
    "wanted",
    [
        RecordFilter(),
        RecordFilter(status="failed"),
        RecordFilter(status="processing", flow_name="thumbnail"),
        RecordFilter(status="failed", error="NO SUCH"),
        RecordFilter(status="completed"),
        RecordFilter(payload_key="respondent_id", payload_value="17"),
        RecordFilter(error="never seen"),
        RecordFilter(status="pending"),
        RecordFilter(status="pending", flow_name="thumbnail"),
    ],
)
def test_every_way_to_look_finds_the_same(
    wanted: RecordFilter, few: int, queue: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "FEW", few)
    with queue.transaction() as cursor:
        rows = cursor.execute(
            "SELECT id FROM processing_queue WHERE (%(s)s::text IS NULL OR status = %(s)s)"
            " AND (%(f)s::text IS NULL OR flow_name = %(f)s)"
            " AND (%(e)s::text IS NULL OR error_message ILIKE '%%' || %(e)s || '%%')"
            " AND (%(k)s::text IS NULL OR payload ->> %(k)s = %(v)s) ORDER BY id DESC",
            {
                "s": wanted.status,
                "f": wanted.flow_name,
                "e": wanted.error,
                "k": wanted.payload_key,
                "v": wanted.payload_value,
            },
        ).fetchall()
    assert every_id(queue, wanted) == [row[0] for row in rows]


def test_dates_are_found_by_halving(queue: DatabaseManager) -> None:
    with queue.transaction() as cursor:
        row = cursor.execute(
            "SELECT id, created_at FROM processing_queue ORDER BY id OFFSET 60 LIMIT 1"
        ).fetchone()
    assert row is not None
    middle: tuple[int, datetime] = row
    since = every_id(queue, RecordFilter(created_from=middle[1]))
    before = every_id(queue, RecordFilter(created_before=middle[1]))
    assert min(since) == middle[0]
    assert max(before) == middle[0] - 1
    assert len(since) + len(before) == 120
    assert every_id(queue, RecordFilter(created_from=middle[1] + timedelta(days=3))) == []


@pytest.mark.parametrize("status", ["failed", "pending"])
@pytest.mark.parametrize(
    "statement", ["readings/count_unfinished", "readings/records_unfinished", "operators/found_ids"]
)
def test_few_records_of_a_status_are_found_through_their_index(
    statement: str, status: str, own_database_url: str
) -> None:
    import psycopg

    parameters = dict.fromkeys(
        (
            "flow_name",
            "error",
            "key",
            "payload_key",
            "payload_value",
            "group_ids",
            "run_ids",
            "run_record_ids",
            "created_from",
            "created_before",
        )
    )
    with psycopg.connect(own_database_url) as connection:
        connection.execute(
            "INSERT INTO processing_queue (flow_name, status)"
            " SELECT 'alpha', 'cancelled' FROM generate_series(1, 50000)"
        )
        connection.execute(
            "INSERT INTO processing_queue (flow_name, status, error_message)"
            " SELECT 'alpha', s, CASE s WHEN 'failed' THEN 'x' END"
            " FROM generate_series(1, 20), unnest(ARRAY['failed', 'pending']) s"
        )
        connection.execute("ANALYZE processing_queue")
        plan = connection.execute(
            b"EXPLAIN " + sql(statement),
            {
                **parameters,
                "status": status,
                "before_id": 2**62,
                "from_id": 0,
                "limit": 50,
                "look_at_most": 50,
                "known_ids": [],
            },
            prepare=False,
        ).fetchall()
    assert f"processing_queue_{status}" in str(plan), plan

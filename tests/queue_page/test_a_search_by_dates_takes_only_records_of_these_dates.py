"""A search by dates shows, exports and changes only records that were created within the dates. This holds even if the
ids are not in the order of creation."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from psycopg import Cursor

from queue_store.database.manager import DatabaseManager
from queue_store.readings import record_candidates, records
from queue_store.readings.records import RecordFilter, find_records
from tasks.queue_page import export
from tasks.queue_page.arguments import Arguments
from tasks.queue_page.record_search import filter_of
from tests.queue_page.test_queue_page_filters import COMPLETED, FAILED, Queue
from tests.support import filling
from tests.support.page_actions import do, exported, use
from tests.support.page_flower import RUN

# The minute at which each record was created, in the order of the ids.
MINUTES = (0, 10, 20, 5, 30, 12, 40, 50, 15, 25, 60, 1)
START = datetime(2026, 11, 1, 12, tzinfo=UTC)
DATES = {"from": "2026-11-01T12:10", "before": "2026-11-01T12:30"}
WITHIN = "SELECT id FROM processing_queue WHERE created_at >= %(from)s AND created_at < %(before)s"
SEARCHES: tuple[dict[str, str], ...] = (
    {},
    {"status": "failed"},
    {"status": "pending"},
    {"status": "completed"},
    {"key": "customer 7"},
    {"key": "customer 7", "status": "pending"},
    {"group": "E: gone"},
    {"worker": "one"},
    {"run": RUN},
    {"run": RUN, "status": "failed"},
)


@pytest.fixture
def queue(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> Queue:
    use(database, monkeypatch)
    queue = Queue(database)
    run = filling.add_run(database, flow_instance_id=RUN, worker_process_id=queue.first)
    queue.add(FAILED, run, len(MINUTES))
    queue.add(COMPLETED, run, len(MINUTES))
    filling.add_records(database, len(MINUTES), order_key="customer 7")
    with database.transaction() as cursor:
        rows = cursor.execute("SELECT id FROM processing_queue ORDER BY id").fetchall()
        for (record_id,), minute in zip(rows, 3 * MINUTES, strict=True):
            created_at = START + timedelta(minutes=minute)
            cursor.execute(
                "UPDATE processing_queue SET created_at = %s WHERE id = %s", (created_at, record_id)
            )
    return queue


def every_id(database: DatabaseManager, wanted: RecordFilter) -> set[int]:
    ids: set[int] = set()
    with database.transaction() as cursor:
        while True:
            page = find_records(cursor, wanted, limit=4, look_at_most=7)
            ids |= {record.id for record in page.records}
            if page.next_before_id is None:
                return ids
            wanted = replace(wanted, before_id=page.next_before_id)


def within_dates(queue: Queue, search: dict[str, str]) -> set[int]:
    """Searches without the dates, and keeps the records that were created within the dates."""
    with queue.database.transaction() as cursor:
        within = {row[0] for row in cursor.execute(WITHIN.encode(), DATES).fetchall()}
    return within & every_id(queue.database, filter_of(Arguments(search)))


@pytest.mark.parametrize("few", [0, 50_000])
@pytest.mark.parametrize("search", SEARCHES)
def test_the_page(search: dict[str, str], few: int, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "FEW", few)
    expected = within_dates(queue, search)
    assert len(expected) in (5, 10, 15)
    assert every_id(queue.database, filter_of(Arguments(search | DATES))) == expected


@pytest.mark.parametrize("search", SEARCHES)
def test_records_far_from_their_neighbours_in_time_are_not_taken(
    search: dict[str, str], queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With NEARBY = 0, the search reads only the ids that the binary search found."""
    monkeypatch.setattr(record_candidates, "NEARBY", 0)
    found = every_id(queue.database, filter_of(Arguments(search | DATES)))
    assert found <= within_dates(queue, search)


@pytest.mark.parametrize("search", SEARCHES)
def test_an_export(search: dict[str, str], queue: Queue) -> None:
    ids = [record["id"] for record in orjson.loads(exported(**search, **DATES))]
    assert sorted(ids) == sorted(within_dates(queue, search))


def test_an_export_searches_once_for_the_ids_of_its_dates(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches: list[datetime] = []
    search = record_candidates.first_id_since

    def first_id_since(cursor: Cursor[Any], instant: datetime) -> int:
        searches.append(instant)
        return search(cursor, instant)

    monkeypatch.setattr(record_candidates, "first_id_since", first_id_since)
    monkeypatch.setattr(export, "PAGE_RECORDS", 2)
    assert len(orjson.loads(exported(**DATES))) == 15
    assert len(searches) == 2


@pytest.mark.parametrize(("action", "status"), [("reset", "failed"), ("cancel", "pending")])
def test_an_action_on_all_found(action: str, status: str, queue: Queue) -> None:
    expected = within_dates(queue, {"status": status})
    asked: dict[str, Any] = {"status": status, **DATES}
    assert do(action, **asked, dry_run=True)["affected"] == len(expected) == 5
    assert do(action, **asked)["affected"] == 5
    unchanged = every_id(queue.database, RecordFilter(status=status))
    assert not expected & unchanged


def test_a_transaction_that_began_before_the_dates_and_inserted_later(database: DatabaseManager) -> None:
    filling.add_flow(database)
    with database.transaction() as long:
        long.execute("SELECT now()")
        filling.add_records(database, 3)
        long.execute("INSERT INTO processing_queue (flow_name) VALUES ('alpha')")
    with database.transaction() as cursor:
        rows = cursor.execute("SELECT id, created_at FROM processing_queue ORDER BY id").fetchall()
    short = [record_id for record_id, _ in rows[:3]]
    since = rows[0][1]
    assert every_id(database, RecordFilter(created_from=since)) == set(short)
    assert every_id(database, RecordFilter(created_before=since)) == {rows[3][0]}

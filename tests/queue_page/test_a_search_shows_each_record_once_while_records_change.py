"""A search by key, run or worker shows each record on exactly one page, and once in an export. Records change between
two pages, so for the second page the index finds other records than for the first."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.readings import records
from queue_store.readings.records import RecordPage, find_records
from tasks.queue_page import export
from tasks.queue_page.arguments import Arguments, BadInputError
from tasks.queue_page.record_search import filter_of
from tests.queue_page.test_queue_page_filters import COMPLETED, IDS, Queue
from tests.support import filling
from tests.support.browser import Browser
from tests.support.page_actions import exported, use
from tests.support.page_browser import MARKS, browser, page_url, shared_browser

__all__ = ["browser", "page_url", "shared_browser"]
LIMIT = 10
CLAIMED = """
UPDATE processing_queue SET status = 'processing', claim_number = 1, claimed_at = now(), flow_instance_id = %(run)s
WHERE id = %(id)s
"""
ENDED = "UPDATE processing_queue SET status = 'completed', completed_at = now() WHERE id = %(id)s"
WITH_KEY = """
INSERT INTO processing_queue (flow_name, order_key, status)
SELECT 'thumbnail', 'customer 7', CASE WHEN n > 30 THEN 'cancelled' ELSE 'pending' END
FROM generate_series(1, 90) n ORDER BY n RETURNING id
"""
CANCELLED = "UPDATE processing_queue SET status = 'cancelled' WHERE id = %(id)s"

Change = Callable[[], None]


@pytest.fixture
def queue(database: DatabaseManager) -> Queue:
    return Queue(database)


def changed(queue: Queue, statement: str, record_id: int, run: UUID | None = None) -> None:
    with queue.database.transaction() as cursor:
        cursor.execute(statement.encode(), {"id": record_id, "run": run})


def pages(queue: Queue, between: Change, **asked: Any) -> list[int]:
    """Asks for page after page, as the browser does. Calls `between` after the first page."""
    ids: list[int] = []
    while True:
        with queue.database.transaction() as cursor:
            page = find_records(cursor, filter_of(Arguments(asked)), LIMIT, look_at_most=20)
        if not ids:
            between()
        ids += [record.id for record in page.records]
        if page.next_before_id is None:
            return ids
        known = ",".join(map(str, page.known_ids)) or "0"
        asked |= {"before_id": page.next_before_id, "known": known}


def test_a_record_that_the_run_claims_between_two_pages(queue: Queue) -> None:
    filling.add_records(queue.database, 1)
    run = queue.runs[0]
    others = queue.add(COMPLETED, run, 40)
    low = others[0] - 1
    found = pages(queue, lambda: changed(queue, CLAIMED, low, run), run=str(run))
    assert sorted(found) == [low, *others]


def test_a_record_that_the_run_completes_between_two_pages(queue: Queue) -> None:
    run = queue.runs[0]
    filling.add_processing(queue.database, 1, run)
    others = queue.add(COMPLETED, run, 40)
    low = others[0] - 1
    found = pages(queue, lambda: changed(queue, ENDED, low), worker="one")
    assert sorted(found) == [low, *others]


@pytest.mark.parametrize("few", [0, 50_000])
@pytest.mark.parametrize("status", [{}, {"status": "pending"}])
def test_a_record_with_the_key_that_is_cancelled_between_two_pages(
    status: dict[str, str], few: int, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the newest record with the key is finished, the index finds one more of the older records."""
    monkeypatch.setattr(records, "FEW", few)
    filling.add_records(queue.database, 40, order_key="customer 7")
    queue.add(COMPLETED, queue.runs[0], 30)
    with queue.database.transaction() as cursor:
        rows = cursor.execute(
            "SELECT id FROM processing_queue WHERE order_key = 'customer 7' ORDER BY id"
        ).fetchall()
    keyed = [row[0] for row in rows]
    found = pages(queue, lambda: changed(queue, CANCELLED, keyed[-1]), key="customer 7", **status)
    assert sorted(found) == keyed


@pytest.mark.parametrize("few", [(0, 50_000), (50_000, 0)])
def test_a_search_that_uses_another_index_from_the_second_page_on(
    few: tuple[int, int], queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If many records have the status, a search reads the table. If few records have it, an index finds them."""
    monkeypatch.setattr(records, "FEW", few[0])
    filling.add_records(queue.database, 40, order_key="customer 7")
    queue.add(COMPLETED, queue.runs[0], 30)
    found = pages(
        queue, lambda: monkeypatch.setattr(records, "FEW", few[1]), key="customer 7", status="pending"
    )
    assert len(found) == len(set(found)) == 40


def test_an_export(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    use(queue.database, monkeypatch)
    run = queue.runs[0]
    filling.add_records(queue.database, 1)
    filling.add_processing(queue.database, 1, run)
    others = queue.add(COMPLETED, run, 40)
    pending, processing = others[0] - 2, others[0] - 1
    pages_read: list[RecordPage] = []

    def read_page(*arguments: Any) -> RecordPage:
        pages_read.append(find_records(*arguments))
        if len(pages_read) == 1:
            changed(queue, CLAIMED, pending, run)
            changed(queue, ENDED, processing)
        return pages_read[-1]

    monkeypatch.setattr(export, "PAGE_RECORDS", LIMIT)
    monkeypatch.setattr(export, "find_records", read_page)
    ids = [record["id"] for record in orjson.loads(exported(run=str(run)))]
    assert sorted(ids) == [pending, processing, *others]
    assert len(pages_read) > 1


@pytest.mark.parametrize("known", ["x", "1,", "1;2", "-1", "9" * 19, ",".join(["1"] * 26)])
def test_ids_that_no_page_shows_are_refused(known: str) -> None:
    with pytest.raises(BadInputError, match="known must be"):
        filter_of(Arguments({"known": known, "before_id": "17"}))


class TestInTheBrowser:
    pytestmark = MARKS

    def test_older_records(self, browser: Browser, page_url: tuple[str, DatabaseManager]) -> None:
        """The first page has the newest 25 pending records, and the newest 25 of the others."""
        url, database = page_url
        with database.transaction() as cursor:
            ids = [row[0] for row in cursor.execute(WITH_KEY.encode()).fetchall()]
        browser.open(url + "/queue/records?key=customer+7", f"({IDS}).length > 0")
        first = browser.run(IDS)
        with database.transaction() as cursor:
            cursor.execute(CANCELLED.encode(), {"id": ids[29]})
        browser.click("Older records")
        browser.wait(f"({IDS})[0] < {first[24]}")
        assert sorted(first + browser.run(IDS)) == ids

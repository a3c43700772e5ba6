"""The first page of a search by status or by key shows unfinished records, however many finished records there are."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.readings import records
from queue_store.readings.records import LOOK_AT_MOST, RecordFilter, find_records
from tasks.queue_page import export
from tasks.queue_page.arguments import BadInputError
from tests.support import filling
from tests.support.page_actions import do, exported, use
from tests.support.servers import connect

FINISHED = LOOK_AT_MOST + 1_000


@pytest.fixture
def queue(own_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseManager]:
    database = connect(own_database_url)
    use(database, monkeypatch)
    filling.add_flow(database)
    filling.add_records(database, 30, order_key="customer 7")
    filling.add_records(database, 1, dedup_key="order 17")
    filling.add_failed(database, 3, order_key="customer 8")
    with database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO processing_queue (flow_name, status, dedup_key) SELECT 'alpha', 'cancelled', 'order 17'"
            " FROM generate_series(1, %(count)s)",
            {"count": FINISHED},
        )
    yield database
    database.dispose()


def first_page(database: DatabaseManager, **wanted: Any) -> list[int]:
    with database.transaction() as cursor:
        return [record.id for record in find_records(cursor, RecordFilter(**wanted)).records]


def test_pending_records_are_found_at_the_first_look(queue: DatabaseManager) -> None:
    assert len(first_page(queue, status="pending")) == 31
    assert len(first_page(queue, status="pending", flow_name="alpha")) == 31
    assert first_page(queue, status="pending", flow_name="beta") == []


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"key": "customer 7"}, 25),
        ({"key": "customer 8"}, 3),
        ({"key": "order 17", "status": "pending"}, 1),
        ({"key": "customer 7", "status": "pending"}, 30),
    ],
)
def test_live_records_are_found_by_their_keys_at_the_first_look(
    wanted: dict[str, str], count: int, queue: DatabaseManager
) -> None:
    assert len(first_page(queue, **wanted)) >= count


@pytest.mark.parametrize("few", [0, 5_000])
@pytest.mark.parametrize("wanted", [{"key": "customer 7"}, {"key": "customer 7", "status": "pending"}])
def test_each_record_with_a_key_is_on_one_page(
    few: int, wanted: dict[str, str], queue: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "FEW", few)
    asked = RecordFilter(**wanted)
    ids: list[int] = []
    with queue.transaction() as cursor:
        while True:
            page = find_records(cursor, asked, 10)
            assert len(page.records) <= 10
            ids += [record.id for record in page.records]
            if page.next_before_id is None:
                break
            asked = replace(asked, before_id=page.next_before_id)
    assert len(ids) == len(set(ids)) == 30


def test_all_pending_are_cancelled_however_far_back(queue: DatabaseManager) -> None:
    asked = {"flow": "alpha", "status": "pending"}
    assert do("cancel", **asked, dry_run=True)["affected"] == 31
    assert do("cancel", **asked)["affected"] == 31


def test_an_export_that_looked_at_too_much_says_so(
    queue: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(orjson.loads(exported(status="pending"))) == 31
    monkeypatch.setattr(export, "LOOKS_AT_MOST", 1)
    with pytest.raises(BadInputError, match="only the newest records were looked at, of which 0 match"):
        exported(error="never seen")
    monkeypatch.setattr(export, "RECORDS_AT_MOST", 20)
    with pytest.raises(BadInputError, match="more records match than the 20 that an export can hold"):
        exported(status="pending")

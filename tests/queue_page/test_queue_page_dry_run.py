"""A dry run on the page says exactly what the action then does, for any choice of records."""

from typing import Any

import pytest

from queue_store.database.manager import DatabaseManager
from tests.support import filling
from tests.support.page_actions import do, use
from tests.support.page_data import fill

NOBODY = 2**40


@pytest.fixture
def queue(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> DatabaseManager:
    fill(database, count=120, minutes=2)
    use(database, monkeypatch)
    return database


def ids(database: DatabaseManager, condition: str) -> list[int]:
    query = f"SELECT id FROM processing_queue WHERE {condition} ORDER BY id"  # noqa: S608
    with database.transaction() as cursor:
        return [row[0] for row in cursor.execute(query.encode()).fetchall()]


def add_twins(database: DatabaseManager) -> list[int]:
    """Adds two failed records with the same dedup_key. Only one of the two can be reset. Adds a third failed record
    that cannot be reset, because an unfinished record has its key."""
    filling.add_failed(database, 2, "thumbnail", dedup_key="twice failed")
    filling.add_failed(database, 1, "thumbnail", dedup_key="alive again")
    filling.add_records(database, 1, "thumbnail", dedup_key="alive again")
    return ids(database, "dedup_key IN ('twice failed', 'alive again')")


@pytest.mark.parametrize("status", ["pending", "processing", "completed", "failed"])
@pytest.mark.parametrize("action", ["reset", "cancel"])
def test_the_dry_run_of_chosen_records_says_what_is_done_then(
    action: str, status: str, queue: DatabaseManager
) -> None:
    chosen = [*ids(queue, f"status = '{status}'"), NOBODY]
    would = do(action, ids=chosen, dry_run=True)
    done = do(action, ids=chosen)
    assert would["affected"] == done["affected"]
    assert would["counts"] == done["counts"]
    assert done["counts"]["skipped"] >= 1


def test_completed_records_and_records_that_do_not_exist_are_not_promised(queue: DatabaseManager) -> None:
    completed = ids(queue, "status = 'completed'")[:3]
    assert do("reset", ids=[*completed, NOBODY], dry_run=True)["text"].startswith("0 failed records")
    assert do("cancel", ids=[*completed, NOBODY], dry_run=True)["text"].startswith("0 records")


def test_twins_are_counted_as_reset_counts_them(queue: DatabaseManager) -> None:
    chosen = add_twins(queue)
    would = do("reset", ids=chosen, dry_run=True)
    assert would["affected"] == 1
    assert do("reset", ids=chosen)["counts"] == would["counts"]


@pytest.mark.parametrize(
    "asked",
    [
        {"status": "failed", "flow": "thumbnail"},
        {"status": "failed", "error": "IMAGE"},
        {"status": "failed", "payload_key": "respondent_id"},
        {"error_group": "TimeoutError: the bank did not answer"},
        {"error_group": "never seen"},
    ],
)
def test_the_dry_run_of_a_search_says_what_is_done_then(
    asked: dict[str, Any], queue: DatabaseManager
) -> None:
    add_twins(queue)
    would = do("reset", **asked, dry_run=True)
    assert do("reset", **asked)["counts"] == would["counts"]
    assert do("reset", **asked)["affected"] == 0


def test_the_audit_tells_what_was_searched_for(queue: DatabaseManager) -> None:
    do("reset", status="failed", flow="thumbnail", error="image")
    do("reset", error_group="ValueError: no such order")
    do("cancel", status="pending", flow="thumbnail", reason="wrong file")
    with queue.transaction() as cursor:
        rows = cursor.execute("SELECT details FROM audit_log ORDER BY id DESC LIMIT 3").fetchall()
    cancelled, by_group, by_search = (row[0] for row in rows)
    assert by_search == {"status": "failed", "flow": "thumbnail", "error": "image"}
    assert by_group == {"error_group": "ValueError: no such order"}
    assert cancelled["flow"] == "thumbnail"
    assert cancelled["reason"] == "wrong file"

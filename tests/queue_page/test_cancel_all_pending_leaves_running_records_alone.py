"""`Cancel all pending` cancels pending records only. If a worker claims a record after the search, the worker goes on
with that record."""

from collections.abc import Callable
from typing import Any

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.readings.records import find_ids
from tasks.queue_page import actions
from tests.support import filling
from tests.support.flow_rows import start_processing
from tests.support.page_actions import do, use

ALL_PENDING = {"flow": "alpha", "status": "pending"}
LEFT = "is locked or no longer pending."


@pytest.fixture
def pending(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    use(database, monkeypatch)
    filling.add_flow(database)
    filling.add_records(database, 2)
    with database.transaction() as cursor:
        return [row[0] for row in cursor.execute("SELECT id FROM processing_queue ORDER BY id")]


@pytest.fixture
def claim_after_the_search(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], None]:
    def prepare(record_id: int) -> None:
        def find_then_claim(*arguments: Any) -> list[int]:
            found = find_ids(*arguments)
            start_processing(database, record_id)
            return found

        monkeypatch.setattr(actions, "find_ids", find_then_claim)

    return prepare


def statuses(database: DatabaseManager) -> list[str]:
    with database.transaction() as cursor:
        return [row[0] for row in cursor.execute("SELECT status::text FROM processing_queue ORDER BY id")]


def asked_to_stop(database: DatabaseManager) -> list[int]:
    with database.transaction() as cursor:
        return [row[0] for row in cursor.execute("SELECT record_id FROM cancel_requests")]


def test_a_record_that_was_claimed_after_the_search_goes_on(
    pending: list[int], claim_after_the_search: Callable[[int], None], database: DatabaseManager
) -> None:
    claim_after_the_search(pending[1])
    done = do("cancel", **ALL_PENDING)
    assert done["text"] == f"1 record cancelled; 1 {LEFT}"
    assert (done["affected"], done["counts"]) == (1, {"asked": 0, "skipped": 1})
    assert statuses(database) == ["cancelled", "processing"]
    assert asked_to_stop(database) == []


def test_the_dry_run_says_the_same(pending: list[int], claim_after_the_search: Callable[[int], None]) -> None:
    claim_after_the_search(pending[1])
    would = do("cancel", **ALL_PENDING, dry_run=True)
    assert would["text"] == f"1 record would be cancelled; 1 {LEFT}"
    assert (would["affected"], would["counts"]) == (1, {"asked": 0, "skipped": 1})


def test_a_record_that_an_express_slice_holds_goes_on(pending: list[int], database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        cursor.execute("SELECT FROM processing_queue WHERE id = %s FOR NO KEY UPDATE", (pending[0],))
        assert do("cancel", **ALL_PENDING)["text"] == f"1 record cancelled; 1 {LEFT}"
    assert statuses(database) == ["pending", "cancelled"]
    assert asked_to_stop(database) == []


def test_a_running_record_that_was_chosen_is_still_asked_to_stop(
    pending: list[int], database: DatabaseManager
) -> None:
    start_processing(database, pending[1])
    assert do("cancel", ids=pending)["text"] == "1 record cancelled; 1 is running and was asked to stop."
    assert asked_to_stop(database) == [pending[1]]

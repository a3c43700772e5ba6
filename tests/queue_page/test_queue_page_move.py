"""The page counts the records of an unknown flow name, moves them to a flow, and writes an audit row."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.errors import RegisteredFlowError, UnknownFlowError
from tasks.queue_page import actions
from tasks.queue_page.arguments import BadInputError
from tests.support import filling
from tests.support.browser import Browser
from tests.support.flower_process import FlowerProcess, environment
from tests.support.page_actions import do, use
from tests.support.page_browser import MARKS, SHOWN, SIZES, browser, confirm, one, page_url, shared_browser

__all__ = ["browser", "page_url", "shared_browser"]
COUNT = "SELECT count(*) FROM processing_queue WHERE flow_name = '{}'"
AUDIT = "SELECT actor || ' ' || action || ' ' || (details ->> 'to_flow_name') FROM audit_log ORDER BY id DESC LIMIT 1"


@pytest.fixture
def queue(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> DatabaseManager:
    use(database, monkeypatch)
    filling.add_flow(database, "alpha")
    filling.add_failed(database, 2, "alhpa")
    filling.add_records(database, 2, "alhpa")
    filling.add_records(database, 1, "alhpa", dedup_key="twin")
    filling.add_records(database, 1, "alpha", dedup_key="twin")
    return database


def test_it_says_how_many_moves_them_and_notes_who_did(queue: DatabaseManager) -> None:
    would = do("move", flow="alhpa", dry_run=True)
    assert (would["affected"], would["text"]) == (
        5,
        "3 pending and 2 failed records of alhpa would be moved.",
    )
    assert do("move", flow="alhpa", to_flow="alpha", dry_run=True)["affected"] == 4
    assert one(queue, COUNT.format("alhpa")) == 5
    done = do("move", flow="alhpa", to_flow="alpha")
    assert done["text"] == (
        "4 records moved to alpha; 1 stays, because an unfinished record of that flow has its dedup_key."
    )
    assert one(queue, COUNT.format("alhpa")) == 1
    assert one(queue, AUDIT) == "ops move alpha"


@pytest.mark.parametrize("dry_run", [True, False])
def test_nothing_is_moved_from_a_flow_nor_to_a_name_that_is_none(
    dry_run: bool, queue: DatabaseManager
) -> None:
    with pytest.raises(RegisteredFlowError, match="alpha is a registered flow"):
        do("move", flow="alpha", to_flow="alpha", dry_run=dry_run)
    with pytest.raises(UnknownFlowError, match="did you mean alpha"):
        do("move", flow="alhpa", to_flow="alpa", dry_run=dry_run)
    with pytest.raises(UnknownFlowError):
        do("move", flow="nobody", to_flow="alpha", dry_run=dry_run)
    with pytest.raises(BadInputError, match="flow is missing"):
        do("move", to_flow="alpha", dry_run=dry_run)
    assert one(queue, COUNT.format("alhpa")) == 5


def test_a_move_without_a_flow_or_of_too_many_says_so(
    queue: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInputError, match="to_flow is missing"):
        do("move", flow="alhpa")
    monkeypatch.setattr(actions, "MATCHES_AT_MOST", 4)
    with pytest.raises(BadInputError, match="use queuectl move alhpa FLOW"):
        do("move", flow="alhpa", to_flow="alpha")
    assert one(queue, COUNT.format("alhpa")) == 5


def test_who_may_not_act_moves_nothing(
    queue: DatabaseManager, clean_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    flower = FlowerProcess(environment(clean_database_url, redis_url), tmp_path / "log", "--read-only")
    try:
        answer = flower.wait().do("move", {"flow": "alhpa", "to_flow": "alpha"})
        assert (answer.status, "read-only" in answer.text) == (403, True)
    finally:
        flower.stop()
    assert one(queue, COUNT.format("alhpa")) == 5


class TestInTheBrowser:
    pytestmark = MARKS

    @pytest.fixture
    def mistyped(self, page_url: tuple[str, DatabaseManager]) -> Iterator[tuple[str, DatabaseManager]]:
        url, database = page_url
        with database.transaction() as cursor:
            cursor.execute(
                "INSERT INTO processing_queue (flow_name) SELECT 'thumbnial' FROM generate_series(1, 7)"
            )
        yield url, database
        with database.transaction() as cursor:
            cursor.execute("DELETE FROM processing_queue WHERE flow_name = 'thumbnial'")

    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("size", SIZES)
    def test_the_page_of_the_name_moves_them(
        self, size: str, theme: str, browser: Browser, mistyped: tuple[str, DatabaseManager]
    ) -> None:
        url, database = mistyped
        browser.size(*SIZES[size])
        browser.theme(theme)
        browser.open(url + "/queue/flows/thumbnial", SHOWN)
        before = one(database, COUNT.format("thumbnail"))
        browser.click("Move to a flow")
        browser.wait(
            "/7 pending and 0 failed/.test(document.querySelector('dialog [role=status]').textContent)"
        )
        assert browser.run("document.querySelector('dialog input').value") == "thumbnail"
        assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")
        if directory := os.environ.get("SCREENSHOTS"):
            browser.screenshot(Path(directory) / f"move-{size}-{theme}.png")
        assert confirm(browser, "Move to a flow") == "7 records moved to thumbnail."
        assert one(database, COUNT.format("thumbnail")) == before + 7
        assert one(database, AUDIT) == "ops move thumbnail"

    def test_a_name_that_is_no_flow_is_refused_in_the_dialog(
        self, browser: Browser, mistyped: tuple[str, DatabaseManager]
    ) -> None:
        browser.open(mistyped[0] + "/queue/flows/thumbnial", SHOWN)
        browser.click("Move to a flow")
        browser.wait("document.querySelector('dialog[open] button[type=submit]:not(:disabled)')")
        browser.run("document.querySelector('dialog input').value = 'no such flow'")
        browser.click("Move to a flow", "dialog")
        said = browser.wait("document.querySelector('dialog .queue-trouble')?.textContent")
        assert "no such flow" in said
        browser.click("Not now", "dialog")
        browser.problems.clear()  # the browser logs the refused request as a network error
        browser.open(mistyped[0] + "/queue/flows/thumbnail", SHOWN)
        assert "Move to a flow" not in browser.run("document.querySelector('#queue-view').innerText")

"""While something is stopped, every page says what is stopped, by whom, since when and why. Afterwards, no page
mentions it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.operators.operators import Operators
from queue_store.settings import ProcessorSettings
from tasks.queue_page.arguments import Arguments
from tasks.queue_page.views import VIEWS
from tasks.queue_page.views.request import ViewRequest
from tests.support.browser import Browser
from tests.support.page_browser import MARKS, PAGES, SIZES, browser, page_url, shared_browser

__all__ = ["browser", "page_url", "shared_browser"]
BANNER = "document.querySelector('#queue-stops').innerText.replaceAll(/\\s+/g, ' ')"
MANY = """
INSERT INTO flows (flow_name, celery_queue, batch_size, max_retries, orphan_timeout_seconds, paused_at)
SELECT 'flow_' || n, 'flows', 100, 3, 7200, now() FROM generate_series(1, 1000) n
"""


def answer(database: DatabaseManager) -> dict[str, Any]:
    with database.transaction() as cursor:
        return VIEWS["stops"](ViewRequest(cursor, ProcessorSettings(), Arguments({}), None))  # type: ignore[no-any-return]


def test_nothing_is_said_while_nothing_is_stopped(database: DatabaseManager) -> None:
    assert answer(database) == {"count": 0, "stops": []}


def test_who_stopped_all_flows_stands_first(database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        cursor.execute(MANY.replace("1000", "2"))
    Operators(database).stop_processing(actor="eve", reason="moving the disks")
    found = answer(database)
    assert found["count"] == 3
    first = found["stops"][0]
    assert (first["what"], first["flow_name"], first["actor"], first["reason"]) == (
        "processing stopped",
        None,
        "eve",
        "moving the disks",
    )
    assert found["stops"][1]["actor"] is None  # paused by a plain UPDATE
    Operators(database).resume_processing(actor="eve")
    assert answer(database)["count"] == 2


def test_a_thousand_paused_flows_are_counted_and_the_first_named(database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        cursor.execute(MANY)
    found = answer(database)
    assert (found["count"], len(found["stops"])) == (1000, 20)


class TestInTheBrowser:
    pytestmark = MARKS

    @pytest.fixture
    def stopped(self, page_url: tuple[str, DatabaseManager]) -> Iterator[str]:
        url, database = page_url
        operators = Operators(database)
        operators.stop_processing(actor="eve", reason="moving the disks <b>")
        for name in ("invoice_export", "survey_processor", "thumbnail"):
            operators.pause(name, actor="adam")
        yield url
        operators.resume_processing(actor="eve")
        for name in ("invoice_export", "survey_processor", "thumbnail"):
            operators.resume(name, actor="adam")

    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("size", SIZES)
    def test_every_page_says_it(self, size: str, theme: str, browser: Browser, stopped: str) -> None:
        browser.size(*SIZES[size])
        browser.theme(theme)
        for name, path in PAGES.items():
            browser.open(stopped + path, f"/all flows .* by eve: moving the disks <b>/.test({BANNER})")
            said = browser.run(BANNER)
            assert "paused invoice_export" in said, name
            assert "by adam, without a reason" in said, name
            assert "1 more" in said, name
            assert browser.run("document.documentElement.scrollWidth <= window.innerWidth"), name
        if directory := os.environ.get("SCREENSHOTS"):
            browser.screenshot(Path(directory) / f"stops-{size}-{theme}.png")

    def test_it_comes_and_goes_without_reloading(
        self, browser: Browser, page_url: tuple[str, DatabaseManager]
    ) -> None:
        url, database = page_url
        browser.open(url + "/queue/audit", "document.querySelector('tbody tr')")
        assert browser.run(BANNER) == ""
        Operators(database).stop_ingestion(None, actor="eve", reason="a new schema")
        browser.wait(f"/ingestion stopped all flows .* by eve: a new schema/.test({BANNER})")
        Operators(database).resume_ingestion(None, actor="eve")
        browser.wait(f"{BANNER} === ''")

"""The overview stays useful with a thousand flows, even on a phone. It shows the first flows, and can filter and sort
all of them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from tests.support.browser import Browser
from tests.support.page_browser import MARKS, SIZES, browser, page_url, shared_browser

pytestmark = MARKS
__all__ = ["browser", "page_url", "shared_browser"]
MANY = """
INSERT INTO flows (flow_name, celery_queue, batch_size, max_retries, orphan_timeout_seconds, declared)
SELECT 'flow_' || lpad(n::text, 4, '0'), 'flows', 100, 3, 7200, '{}' FROM generate_series(1, 1000) n
"""
BUSIEST = """
INSERT INTO processing_queue (flow_name, scheduled_at)
SELECT 'flow_0777', now() - interval '1 hour' FROM generate_series(1, 900)
"""
ROWS = "document.querySelectorAll('#queue-view table tbody tr').length"
FIRST = "document.querySelector('#queue-view table tbody tr')?.textContent"
TYPE = """
(() => {{ const box = document.querySelector('#queue-view {0}'); box.value = '{1}';
box.dispatchEvent(new Event('{2}', {{bubbles: true}})); }})()
"""


@pytest.fixture
def url(page_url: tuple[str, DatabaseManager]) -> Iterator[str]:
    address, database = page_url
    with database.transaction() as cursor:
        cursor.execute(MANY)
        cursor.execute(BUSIEST)
    rollups.fold(database)
    yield address
    with database.transaction() as cursor:
        cursor.execute("DELETE FROM processing_queue WHERE flow_name LIKE 'flow\\_%'")
        cursor.execute("DELETE FROM flows WHERE flow_name LIKE 'flow\\_%'")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_a_thousand_flows_fit(size: str, theme: str, browser: Browser, url: str) -> None:
    browser.size(*SIZES[size])
    browser.theme(theme)
    browser.open(url + "/queue", FIRST)
    assert browser.run(ROWS) == (8 if size == "phone" else 25)
    assert "flow_0777" in browser.run(FIRST)
    assert browser.run("document.documentElement.scrollHeight") < 8_000
    assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")
    if directory := os.environ.get("SCREENSHOTS"):
        browser.screenshot(Path(directory) / f"many-flows-{size}-{theme}.png")


def test_flows_are_filtered_sorted_and_shown_as_a_whole(
    browser: Browser, url: str, page_url: tuple[str, DatabaseManager]
) -> None:
    browser.size(*SIZES["phone"])
    browser.open(url + "/queue", FIRST)
    browser.run(TYPE.format("input[type=search]", "FLOW_09", "input"))
    browser.wait(f"{ROWS} === 8 && /Show all 100 flows/.test(document.body.textContent)")
    browser.click("Show all 100 flows")
    browser.wait(f"{ROWS} === 100")
    browser.run(TYPE.format("select[aria-label^=Sort]", "name", "change"))
    browser.wait(f"/flow_0900/.test({FIRST})")
    with page_url[1].transaction() as cursor:
        cursor.execute("UPDATE flows SET paused_at = now() WHERE flow_name = 'flow_0950'")
    browser.run(TYPE.format("select[aria-label^=Sort]", "paused or unknown", "change"))
    browser.wait(f"/flow_0950.*paused/.test({FIRST})")
    browser.run(TYPE.format("input[type=search]", "no such flow", "input"))
    browser.wait("/No flow has this in its name/.test(document.body.textContent)")
    browser.run(TYPE.format("input[type=search]", "flow_0001", "input"))
    browser.wait(f"{ROWS} === 1")

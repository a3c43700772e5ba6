"""Tests the Queue page in a real browser. Shows each page in both themes, and at desktop and phone sizes. Tests the
actions, except moving records and ending handlers. The browser must report no errors in its console. With
SCREENSHOTS=directory, writes the documentation's pictures into that directory."""

import os
import re
from pathlib import Path

import pytest

from queue_store.database.manager import DatabaseManager
from tests.support.browser import Browser
from tests.support.flower_process import PASSWORD, USER
from tests.support.page_browser import (
    MARKS,
    PAGES,
    SHOWN,
    SIZES,
    browser,
    confirm,
    one,
    page_url,
    shared_browser,
)

pytestmark = MARKS
__all__ = ["browser", "page_url", "shared_browser"]
SAYS = "document.querySelector('#queue-trouble').textContent"
ANSWERS_FROM_A_REPLICA = """
window.lag = '%s';
const answers = window.fetch;
window.fetch = async (...question) => {
    const answer = await answers(...question);
    const headers = new Headers(answer.headers);
    headers.set('X-Replica-Lag-Seconds', window.lag);
    return new Response(await answer.text(), { status: answer.status, headers });
}
"""
NOT_WIDER = "document.documentElement.scrollWidth <= window.innerWidth"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_is_shown(
    size: str, theme: str, browser: Browser, page_url: tuple[str, DatabaseManager]
) -> None:
    browser.size(*SIZES[size])
    browser.theme(theme)
    for name, path in PAGES.items():
        browser.open(page_url[0] + path, SHOWN)
        assert browser.run("document.documentElement.dataset.bsTheme") == theme
        assert browser.run(NOT_WIDER), f"{name} is wider than a {size}"
        assert browser.run("document.querySelector('#queue-trouble').textContent") == ""
        assert browser.run("document.querySelectorAll('img[src=x]').length") == 0
        if directory := os.environ.get("SCREENSHOTS"):
            browser.wait(
                "!document.querySelector('.queue-figures') || document.querySelector('.queue-chart')"
            )
            browser.screenshot(Path(directory) / f"{name}-{size}-{theme}.png")


def test_a_login_in_the_address_does_no_harm(browser: Browser, page_url: tuple[str, DatabaseManager]) -> None:
    address = page_url[0].replace("http://", f"http://{USER}:{PASSWORD}@")
    browser.call("Page.navigate", url=f"{address}/queue")
    browser.wait(f"document.baseURI.includes('@') && ({SHOWN})")
    assert browser.run(SAYS) == ""


def test_charts_go_further_back_and_follow_the_pointer(
    browser: Browser, page_url: tuple[str, DatabaseManager]
) -> None:
    browser.open(page_url[0] + "/queue", "document.querySelectorAll('.queue-chart path').length >= 6")
    at = "document.querySelector('.queue-chart-at').textContent"
    newest = browser.run("document.querySelector('.queue-legend').textContent")
    browser.run(
        "document.querySelector('.queue-chart').dispatchEvent(new PointerEvent('pointermove', {clientX: 300}))"
    )
    assert re.search(r"\d\d:\d\d", browser.run(at))
    assert browser.run("document.querySelector('.queue-legend').textContent") != newest
    browser.click("7d")
    browser.wait("document.querySelector('.queue-spans [aria-pressed=true]').textContent === '7d'")
    # With a span of 7 days, the axis shows weekdays, and the line has a point for each hour.
    browser.wait("/Mon|Tue|Wed/.test(document.querySelector('.queue-chart').textContent)")
    assert (
        browser.run("document.querySelector('.queue-line-0[d]').getAttribute('d').split('L').length") >= 160
    )


def test_figures_change_without_reloading(browser: Browser, page_url: tuple[str, DatabaseManager]) -> None:
    url, database = page_url
    browser.open(url + "/queue", "document.querySelector('.queue-tile-value')")
    browser.run("window.wasHere = true")
    before = int(browser.run("document.querySelector('.queue-tile-value').textContent"))
    with database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO processing_queue (flow_name, scheduled_at) VALUES ('thumbnail', '2100-01-01')"
        )
    browser.wait(
        f"document.querySelector('.queue-tile-value').textContent === '{before + 1}' && window.wasHere"
    )


def test_each_action_asks_acts_and_says_what_it_did(
    browser: Browser, page_url: tuple[str, DatabaseManager]
) -> None:
    url, database = page_url
    browser.open(url + "/queue/records/18", SHOWN)
    browser.click("Reset")
    assert confirm(browser, "Reset") == "1 record is pending again."
    browser.click("Change priority")
    browser.wait("document.querySelector('dialog input')")
    browser.run("document.querySelector('dialog input').value = '1'")
    assert confirm(browser, "Change priority").startswith("1 pending")
    browser.click("Cancel")
    assert confirm(browser, "Cancel") == "1 record cancelled."
    browser.click("Purge")
    assert confirm(browser, "Purge").startswith("1 finished")
    assert one(database, "SELECT count(*) FROM processing_queue WHERE id = 18") == 0
    browser.problems.clear()  # the record is deleted, so its page received a 404

    browser.open(url + "/queue/flows/thumbnail", SHOWN)
    browser.click("Pause")
    assert confirm(browser, "Pause") == "1 flow paused: thumbnail."
    browser.wait("document.querySelector('.queue-reasons').textContent.includes('flow_paused')")
    browser.click("Resume")
    assert confirm(browser, "Resume").startswith("1 flow resumed")

    browser.open(url + "/queue/alerts", SHOWN)
    browser.click("Acknowledge")
    assert confirm(browser, "Acknowledge") == "1 alert acknowledged."
    browser.wait("document.querySelector('.queue-table').textContent.includes('by ops')")

    browser.open(url + "/queue/failures?group=ValueError%3A%20no%20such%20order", SHOWN)
    browser.click("Reset all")
    assert "pending again" in confirm(browser, "Reset all")
    browser.open(url + "/queue/audit", "document.querySelector('tbody tr')")
    assert {"reset", "cancel", "purge", "pause", "resume", "acknowledge alert"} <= set(
        browser.run("[...document.querySelectorAll('[data-heading=Did]')].map((cell) => cell.textContent)")
    )


def test_chosen_records_are_cancelled_from_the_list(
    browser: Browser, page_url: tuple[str, DatabaseManager]
) -> None:
    url, database = page_url
    browser.open(url + "/queue/records?status=pending&flow=thumbnail", SHOWN)
    chosen = browser.run(
        "[...document.querySelectorAll('[name=chosen]')].slice(0, 2).map((b) => (b.checked = true, b.value))"
    )
    browser.click("Cancel chosen")
    assert confirm(browser, "Cancel chosen") == "2 records cancelled."
    for record_id in map(int, chosen):
        assert one(database, f"SELECT status FROM processing_queue WHERE id = {record_id}") == "cancelled"  # noqa: S608


def test_the_search_is_used_from_the_keyboard(
    browser: Browser, page_url: tuple[str, DatabaseManager]
) -> None:
    browser.open(page_url[0] + "/queue/records", SHOWN)
    browser.run("document.querySelector('[name=error]').focus()")
    browser.call("Input.insertText", text="no such order <b>")
    browser.press("Enter", 13, "\r")
    browser.wait("location.search.includes('error=no')")
    browser.wait("document.querySelector('td .queue-error-text').textContent.includes('<b>17</b>')")


def test_bad_input_is_said_on_the_page(browser: Browser, page_url: tuple[str, DatabaseManager]) -> None:
    said = {
        "/queue/records/abc": "id must be a whole number",
        "/queue/records/999999": "there is no record",
        "/queue/flows/%3Cscript%3E": "no flow",
        "/queue/records?status=pending&payload_value=1": "payload_key is missing",
    }
    for path, text in said.items():
        browser.open(
            page_url[0] + path, f"document.querySelector('#queue-trouble').textContent.includes('{text}')"
        )
    browser.problems.clear()  # the browser logs each refused request as a network error


def test_the_page_says_that_a_replica_is_too_late(
    browser: Browser, page_url: tuple[str, DatabaseManager]
) -> None:
    browser.open(page_url[0] + "/queue/records", SHOWN)
    browser.run(ANSWERS_FROM_A_REPLICA % 75)
    browser.wait(f"{SAYS} === 'Lists and charts come from a replica that is 1 min 15 s behind.'")
    browser.run("window.lag = '0.4'")
    browser.wait(f"{SAYS} === ''")

"""A refresh of the page keeps the selected text, the scroll position, the error shown and the chosen span. Ages keep
counting."""

from typing import Any

from queue_store.database.manager import DatabaseManager
from tests.support.browser import Browser
from tests.support.page_browser import MARKS, SHOWN, browser, page_url, shared_browser

pytestmark = MARKS
__all__ = ["browser", "page_url", "shared_browser"]
Page = tuple[str, DatabaseManager]
CHARTS = "document.querySelectorAll('.queue-chart').length === 4"
TROUBLE = "document.querySelector('#queue-trouble').textContent"


def change(browser: Browser, script: str) -> None:
    """Replaces the page's `fetch` with a function that runs `script`. In the script, `was` is the previous `fetch`."""
    browser.run(f"{{ const was = window.fetch; window.fetch = (url, ...all) => {{ {script} }} }}; 0")


def pause(browser: Browser, milliseconds: int) -> None:
    browser.run(f"new Promise((done) => setTimeout(done, {milliseconds}))")


def execute(database: DatabaseManager, statement: str) -> None:
    with database.transaction() as cursor:
        cursor.execute(statement.encode())


def test_one_parts_success_does_not_hide_anothers_trouble(browser: Browser, page_url: Page) -> None:
    browser.open(page_url[0] + "/queue", CHARTS)
    change(
        browser,
        "return url.includes('charts') ? Promise.resolve(new Response('{\"error\": \"no charts\"}', {status: 503}))"
        " : was(url, ...all)",
    )
    browser.wait(f"{TROUBLE} === 'no charts'")
    browser.run(
        f"window.always = true; setInterval(() => {{ window.always &&= {TROUBLE} === 'no charts' }}, 20); 0"
    )
    pause(browser, 6_500)
    assert browser.run("window.always") is True
    change(browser, "return was(url.replace('charts', 'charts'), ...all)")
    browser.open(page_url[0] + "/queue", CHARTS)
    assert browser.run(TROUBLE) == ""


def test_ages_go_on_without_an_answer(browser: Browser, page_url: Page) -> None:
    browser.open(page_url[0] + "/queue/alerts", SHOWN)
    change(browser, "return new Promise(() => {})")
    before = browser.run("document.querySelector('time').textContent")
    browser.wait(f"document.querySelector('time').textContent !== {before!r}")


def test_an_older_answer_does_not_replace_a_newer_one(browser: Browser, page_url: Page) -> None:
    browser.open(page_url[0] + "/queue", CHARTS)
    change(
        browser,
        "return url.includes('span=24h') ? new Promise((done) => setTimeout(() => done(was(url, ...all)), 1500))"
        " : was(url, ...all)",
    )
    browser.click("24h")
    browser.click("7d")
    width = "document.querySelector('.queue-line-0[d]').getAttribute('d').split('L').length"
    browser.wait(f"{width} >= 160")
    browser.run(
        f"window.least = 999; setInterval(() => {{ window.least = Math.min(window.least, {width}) }}, 20); 0"
    )
    pause(browser, 2_500)
    assert browser.run("window.least") >= 160


def test_marked_text_and_scrolling_are_kept(browser: Browser, page_url: Page) -> None:
    url, database = page_url
    browser.open(url + "/queue/records/26", "document.querySelector('.queue-traceback')")
    browser.run("document.getSelection().selectAllChildren(document.querySelector('.queue-traceback'))")
    execute(database, "UPDATE processing_queue SET priority = 7 WHERE id = 26")
    pause(browser, 4_000)
    assert "Traceback" in browser.run("document.getSelection().toString()")
    shown = "[...document.querySelectorAll('dd')].some((one) => one.textContent === '7')"
    assert browser.run(shown) is False
    browser.run("document.getSelection().removeAllRanges()")
    browser.wait(shown)

    browser.size(700, 900)
    browser.open(url + "/queue/runs", "document.querySelector('.queue-scroll td')")
    browser.run(
        "document.querySelector('.queue-scroll').scrollLeft = 80; document.querySelector('.queue-scroll').was = 1"
    )
    execute(database, "UPDATE flow_execution_logs SET records_claimed = 601")
    browser.wait("document.querySelector('.queue-scroll').was === undefined")
    assert browser.run("document.querySelector('.queue-scroll').scrollLeft") == 80


def test_charts_change_without_reloading(browser: Browser, page_url: Page) -> None:
    url, database = page_url
    browser.open(url + "/queue", CHARTS)
    line = "document.querySelector('.queue-line-0[d]').getAttribute('d')"
    before: Any = browser.run(f"window.wasHere = {line}")
    execute(
        database,
        "INSERT INTO rollup_deltas (flow_name, at, enqueued, purged)"
        " VALUES ('thumbnail', now() - interval '5 minutes', 900, 900)",
    )
    browser.wait(f"window.wasHere && {line} !== window.wasHere")
    browser.wait(
        "[...document.querySelector('.queue-chart').querySelectorAll('text')]"
        ".some((mark) => /^1.[0-9] k$/.test(mark.textContent))"
    )
    assert before

"""Tests, in a real browser, the buttons that find or change many records, except `Move to a flow`. Also tests the page
without a mouse."""

import pytest

from queue_store.database.manager import DatabaseManager
from tests.support.browser import Browser
from tests.support.page_browser import MARKS, SHOWN, browser, confirm, one, page_url, shared_browser

pytestmark = MARKS
__all__ = ["browser", "page_url", "shared_browser"]
Page = tuple[str, DatabaseManager]
CHOOSE_TWO = (
    "[...document.querySelectorAll('[name=chosen]')].slice(0, 2).forEach((b) => { b.checked = true; })"
)
IDS = "[...document.querySelectorAll('td[data-heading=Id]')].map((cell) => Number(cell.textContent))"


def count(database: DatabaseManager, condition: str) -> int:
    return int(one(database, f"SELECT count(*) FROM processing_queue WHERE {condition}"))  # noqa: S608


def said_first(browser: Browser) -> str:
    browser.wait("document.querySelector('dialog[open] [role=status]').textContent.includes('would')")
    return str(browser.run("document.querySelector('dialog [role=status]').textContent"))


def test_chosen_records_are_reset_and_the_others_named(browser: Browser, page_url: Page) -> None:
    browser.open(page_url[0] + "/queue/records?status=failed&flow=survey_processor", SHOWN)
    browser.run(CHOOSE_TWO)
    browser.click("Reset chosen")
    assert said_first(browser) == "2 failed records would be tried again."
    assert confirm(browser, "Reset chosen") == "2 records are pending again."
    browser.open(page_url[0] + "/queue/records?status=completed", SHOWN)
    browser.run(CHOOSE_TWO)
    browser.click("Reset chosen")
    assert said_first(browser).startswith("0 failed records would be tried again; 2 are not failed")
    assert browser.run("document.querySelector('dialog button[type=submit]').disabled")
    browser.click("Not now", "dialog")


def test_all_that_were_found_are_reset(browser: Browser, page_url: Page) -> None:
    found = count(page_url[1], "status = 'failed' AND error_message LIKE 'Decompression%'")
    browser.open(page_url[0] + "/queue/records?status=failed&error=decompression", SHOWN)
    browser.click("Reset all found")
    assert said_first(browser) == f"{found} failed records would be tried again."
    assert confirm(browser, "Reset all found") == f"{found} records are pending again."
    assert count(page_url[1], "status = 'failed' AND error_message LIKE 'Decompression%'") == 0


def test_all_failed_of_a_flow_are_reset_and_all_pending_cancelled(browser: Browser, page_url: Page) -> None:
    flow = "flow_name = 'thumbnail'"
    browser.open(page_url[0] + "/queue/flows/thumbnail", SHOWN)
    failed = count(page_url[1], f"status = 'failed' AND {flow}")
    browser.click("Reset all failed")
    assert confirm(browser, "Reset all failed") == f"{failed} records are pending again."
    pending = count(page_url[1], f"status = 'pending' AND {flow}")
    browser.click("Cancel all pending")
    assert said_first(browser) == f"{pending} records would be cancelled."
    assert confirm(browser, "Cancel all pending") == f"{pending} records cancelled."
    assert count(page_url[1], f"status = 'pending' AND {flow}") == 0


def test_older_records_follow_and_a_search_goes_further_back(browser: Browser, page_url: Page) -> None:
    url, database = page_url
    browser.open(url + "/queue/records", SHOWN)
    newest = browser.run(IDS)
    browser.click("Older records")
    browser.wait(f"({IDS})[0] < {newest[-1]}")
    with database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO processing_queue (flow_name, status) SELECT 'invoice_export', 'cancelled'"
            " FROM generate_series(1, 20000)"
        )
    browser.open(url + "/queue/records?payload_key=respondent_id&payload_value=17", SHOWN)
    assert "among those looked at so far" in browser.run("document.querySelector('#queue-view').textContent")
    browser.click("Search further back")
    browser.wait(f"({IDS})[0] === 17")
    with database.transaction() as cursor:
        cursor.execute("DELETE FROM processing_queue WHERE id > 240 AND status = 'cancelled'")


def test_what_was_found_is_exported(browser: Browser, page_url: Page) -> None:
    browser.open(page_url[0] + "/queue/records?status=completed&flow=survey_processor", SHOWN)
    for form in ("csv", "json"):
        link = (
            f"[...document.querySelectorAll('a')].find((a) => a.textContent === 'Export {form.upper()}').href"
        )
        text = browser.run(f"fetch({link}).then((answer) => answer.text())")
        assert text.count("survey_processor") == len(browser.run(IDS)) > 0


def test_older_attempts_and_older_audit_rows_follow(browser: Browser, page_url: Page) -> None:
    url, database = page_url
    with database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id,"
            " outcome, exception_type, error_message, error_group, finished_at) SELECT 1000 + n, 1, 1, 'thumbnail',"
            " gen_random_uuid(), 'retried', 'E', 'many', 'E: many', now() - n * interval '1 hour'"
            " FROM generate_series(1, 60) n"
        )
        cursor.execute(
            "INSERT INTO audit_log (actor, action, target, affected_count)"
            " SELECT 'eve', 'pause', 'flow ' || n, 1 FROM generate_series(1, 120) n"
        )
    browser.open(
        url + "/queue/failures?group=E%3A%20many", "document.querySelectorAll('tbody tr').length === 50"
    )
    browser.click("Older attempts")
    browser.wait("document.querySelectorAll('tbody tr').length === 10")
    browser.open(url + "/queue/audit", "document.querySelectorAll('tbody tr').length === 50")
    browser.click("Older")
    browser.wait("document.querySelectorAll('tbody tr').length === 100")
    browser.click("Older")
    browser.wait("document.querySelectorAll('tbody tr').length > 120")
    targets = browser.run("[...document.querySelectorAll('td[data-heading=To]')].map((c) => c.textContent)")
    assert [t for t in targets if t.startswith("flow ")] == [f"flow {n}" for n in range(120, 0, -1)]
    assert browser.run(
        "[...document.querySelectorAll('button')].find((b) => b.textContent === 'Older').hidden"
    )


def test_a_purged_record_is_not_asked_for_again(browser: Browser, page_url: Page) -> None:
    browser.open(page_url[0] + "/queue/records/20", SHOWN)
    browser.click("Purge")
    assert confirm(browser, "Purge").startswith("1 finished")
    browser.wait("document.querySelector('#queue-view').textContent.includes('This record was purged')")
    browser.run(
        "window.asked = 0; const was = window.fetch;"
        "window.fetch = (...all) => { if (/api.record/.test(all[0])) window.asked += 1; return was(...all) }; 0"
    )
    browser.run("new Promise((done) => setTimeout(done, 3500))")
    assert browser.run("window.asked") == 0
    assert browser.problems == []


def test_a_dialog_is_used_and_left_with_the_keyboard(browser: Browser, page_url: Page) -> None:
    browser.open(page_url[0] + "/queue/flows/invoice_export", SHOWN)
    browser.run("[...document.querySelectorAll('button')].find((b) => b.textContent === 'Pause').focus()")
    browser.press("Enter", 13, "\r")
    browser.wait("document.activeElement.name === 'reason'")
    passed = []
    for _ in range(3):
        browser.press("Tab", 9)
        passed.append(browser.run("document.activeElement.textContent"))
    assert passed[:2] == ["Pause", "Not now"]
    assert "Resume" not in passed  # the focus stays in the dialog
    browser.run("document.querySelector('dialog [name=reason]').focus()")
    browser.press("Escape", 27)
    browser.wait("!document.querySelector('dialog') && document.activeElement.textContent === 'Pause'")


def test_the_tab_key_goes_through_the_page_in_order(browser: Browser, page_url: Page) -> None:
    browser.open(page_url[0] + "/queue", "document.querySelectorAll('.queue-chart').length === 4")
    browser.wait("document.body.textContent.includes('2 open alerts')")  # a separate request fetches them
    browser.run("document.querySelector('.queue-tab').focus()")
    seen = []
    for _ in range(16):
        seen.append(
            browser.run("(document.activeElement.dataset.label ?? document.activeElement.textContent).trim()")
        )
        browser.press("Tab", 9)
    wanted = ["Overview", "Records", "Audit", "2 open alerts", "1h", "7d", "Throughput, records a minute"]
    assert [one for one in seen if one in wanted] == wanted


def test_charts_are_read_with_the_arrow_keys(browser: Browser, page_url: Page) -> None:
    browser.open(page_url[0] + "/queue", "document.querySelectorAll('.queue-chart').length === 4")
    browser.run("document.querySelector('.queue-chart').focus()")
    said = "document.querySelector('.queue-figure [role=status]').textContent"
    browser.press("ArrowLeft", 37)
    last = browser.wait(said)
    assert "enqueued" in last
    assert "completed" in last
    browser.press("ArrowLeft", 37)
    browser.wait(f"{said} !== {last!r}")
    browser.press("Home", 36)
    browser.press("ArrowRight", 39)  # because the oldest point leaves the chart at the next minute
    at = browser.run("document.querySelector('.queue-chart-at').textContent")
    browser.run("new Promise((done) => setTimeout(done, 3500))")  # the chart is redrawn during this time
    assert browser.run("document.querySelector('.queue-chart-at').textContent") == at
    assert browser.run("document.activeElement.classList.contains('queue-chart')")


@pytest.mark.parametrize("label", ["1h", "24h", "7d"])
def test_the_span_is_chosen_with_the_keyboard(label: str, browser: Browser, page_url: Page) -> None:
    browser.open(page_url[0] + "/queue", "document.querySelectorAll('.queue-chart').length === 4")
    browser.run(
        f"[...document.querySelectorAll('.queue-spans button')].find((b) => b.textContent === '{label}').focus()"
    )
    browser.press("Enter", 13, "\r")
    browser.wait(f"document.querySelector('.queue-spans [aria-pressed=true]').textContent === '{label}'")

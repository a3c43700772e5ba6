"""A search for any kind of error finds the records with this kind. Older releases stored kinds with line breaks, or
with white space at their ends."""

from urllib.parse import urlencode
from uuid import UUID

import pytest

from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from tests.queue_page.test_queue_page_filters import FAILED, IDS
from tests.support import filling
from tests.support.browser import Browser
from tests.support.flower_process import FlowerProcess
from tests.support.page_browser import MARKS, SHOWN, browser, confirm, page_url, shared_browser
from tests.support.page_flower import RUN, flower, page_database, page_database_url

__all__ = ["browser", "flower", "page_database", "page_database_url", "page_url", "shared_browser"]
KINDS = ["E: refused\nIs the server running?", "E: gone\n", "E: cut after the space ", "E: a  b\tc"]
Page = tuple[str, DatabaseManager]


def add_failed(database: DatabaseManager, group: str) -> list[int]:
    """Adds two failed records with this kind of error. Returns their ids, the newest first."""
    values = {"flow": "thumbnail", "group": group, "run": UUID(RUN), "count": 2}
    with database.transaction() as cursor:
        filling.restore_rows(cursor)
        rows = cursor.execute(FAILED.encode(), values).fetchall()
    return sorted((row[0] for row in rows), reverse=True)


@pytest.mark.parametrize("group", KINDS)
def test_the_server_looks_for_exactly_this_kind(
    group: str, flower: FlowerProcess, page_database: DatabaseManager
) -> None:
    ids = add_failed(page_database, group)
    asked = urlencode({"group": group})
    found = flower.ask(f"/queue/api/records?{asked}").json["records"]
    attempts = flower.ask(f"/queue/api/attempts?{asked}").json["attempts"]
    exported = flower.ask(f"/queue/export.json?{asked}").json
    assert [record["id"] for record in found] == ids
    assert sorted((attempt["record_id"] for attempt in attempts), reverse=True) == ids
    assert [record["id"] for record in exported] == ids


def test_other_searches_need_no_exact_spaces(flower: FlowerProcess, page_database: DatabaseManager) -> None:
    filling.add_failed(page_database, 1, "thumbnail", dedup_key="pasted")
    [found] = flower.ask(f"/queue/api/records?{urlencode({'key': ' pasted '})}").json["records"]
    assert found["flow_name"] == "thumbnail"


class TestInTheBrowser:
    pytestmark = MARKS

    @pytest.mark.parametrize("group", KINDS)
    def test_the_page_goes_from_the_kind_to_its_records_and_resets_them(
        self, group: str, browser: Browser, page_url: Page
    ) -> None:
        url, database = page_url
        ids = add_failed(database, group)
        rollups.fold(database)
        browser.open(f"{url}/queue/records/{ids[0]}", SHOWN)
        browser.click(group.strip())
        browser.wait("document.querySelectorAll('td[data-heading=Attempt]').length === 2")
        browser.click("Its records")
        browser.wait(f"JSON.stringify({IDS}) === '[{ids[0]},{ids[1]}]'")
        browser.click("Search")
        browser.run("document.querySelector('[name=status]').value = 'failed'")
        browser.click("Search")
        browser.wait("location.search.includes('status=failed')")
        link = "[...document.querySelectorAll('a')].find((a) => a.textContent === 'Export JSON').href"
        browser.wait(f"({link}).includes('status=failed')")
        exported = browser.run(f"fetch({link}).then((answer) => answer.json())")
        assert [record["id"] for record in exported] == ids
        browser.click("Reset all found")
        assert confirm(browser, "Reset all found") == "2 records are pending again."

    def test_what_was_typed_with_spaces_is_found_and_reset_alike(
        self, browser: Browser, page_url: Page
    ) -> None:
        url, database = page_url
        add_failed(database, "E: typed")
        browser.open(f"{url}/queue/records?status=failed&group=other", SHOWN)
        browser.run("document.querySelector('[name=group]').select()")
        browser.call("Input.insertText", text=" E: typed ")
        browser.press("Enter", 13, "\r")
        browser.wait(f"({IDS}).length === 2")
        browser.click("Reset all found")
        assert confirm(browser, "Reset all found") == "2 records are pending again."

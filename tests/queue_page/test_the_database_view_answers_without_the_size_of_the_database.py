"""The Database view answers even if the size of the database cannot be read in time. It shows a dash for the size."""

from collections.abc import Callable

import pytest

from queue_store.database.bounded_read import bounded_read
from queue_store.database.manager import DatabaseManager
from queue_store.readings import server
from queue_store.settings import load_processor_settings
from tasks.queue_page.arguments import Arguments
from tasks.queue_page.views import database as view
from tasks.queue_page.views.request import ViewRequest
from tests.support.browser import Browser
from tests.support.page_browser import MARKS, SHOWN, browser, page_url, shared_browser

__all__ = ["browser", "page_url", "shared_browser"]
NO_SIZE = """
const read = Response.prototype.json;
Response.prototype.json = async function () {
    return { ...await read.call(this), database_bytes: null };
};
"""


@pytest.mark.parametrize("statement", [b"SELECT pg_sleep(60)", b"SELECT pg_read_file('no such file')"])
def test_if_the_reading_fails(
    database: DatabaseManager, statement: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: Callable[[str], bytes] = server.sql
    monkeypatch.setattr(view, "has_replica", lambda: False)
    monkeypatch.setattr(server, "SIZE_SECONDS", 0.01)
    monkeypatch.setattr(
        server, "sql", lambda name: statement if name == "readings/database_bytes" else read(name)
    )
    with bounded_read(database) as cursor:
        answer = view.database(ViewRequest(cursor, load_processor_settings(), Arguments({}), None))
        assert cursor.execute("SELECT 1").fetchone() == (1,)
    assert answer["database_bytes"] is None
    assert answer["server"].connection_count > 0
    assert answer["tables"]


class TestInTheBrowser:
    pytestmark = MARKS

    def test_a_dash_is_shown(self, browser: Browser, page_url: tuple[str, DatabaseManager]) -> None:
        script = browser.call("Page.addScriptToEvaluateOnNewDocument", source=NO_SIZE)["identifier"]
        browser.open(page_url[0] + "/queue/database", SHOWN)
        browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
        sizes = "[...document.querySelectorAll('.queue-tile')].map((t) => t.innerText.split('\\n'))"
        assert [lines[1] for lines in browser.run(sizes) if lines[0].lower() == "size"] == ["–"]

"""A browser that shows the Queue page with data, for tests that click. `page_url` and `browser` are fixtures."""

from collections.abc import Iterator
from typing import Any

import pytest

from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from tests.support.browser import CHROMIUM, Browser
from tests.support.flower_process import PASSWORD, USER, FlowerProcess, environment
from tests.support.page_data import fill
from tests.support.recounting import recount
from tests.support.servers import PostgresServer, connect, reachable_directory

MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: on Debian, apt-get install chromium"),
    pytest.mark.timeout(300),
]
PAGES = {
    "overview": "/queue",
    "flow": "/queue/flows/invoice_export",
    "records": "/queue/records",
    "record": "/queue/records/10",
    "failures": "/queue/failures",
    "error": "/queue/failures?group=KeyError%3A%20income%20is%20not%20among%20the%20answers",
    "runs": "/queue/runs",
    "run": "/queue/runs/00000000-0000-4000-8000-000000000101",
    "processes": "/queue/processes",
    "alerts": "/queue/alerts",
    "schedule": "/queue/schedule",
    "database": "/queue/database",
    "audit": "/queue/audit",
}
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
SHOWN = """
document.querySelector('#queue-view table, #queue-view dl, \
#queue-view .queue-reasons, #queue-view .queue-muted:not(:only-child)')
"""


@pytest.fixture(scope="module")
def page_url(
    postgres_server: PostgresServer,
    template_database: str,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, DatabaseManager]]:
    name = postgres_server.create_database(template=template_database)
    manager = connect(postgres_server.database_url(name))
    fill(manager)
    rollups.fold(manager)
    recount(manager)
    log = tmp_path_factory.mktemp("flower") / "flower.log"
    flower = FlowerProcess(environment(postgres_server.database_url(name), redis_url), log)
    yield flower.wait().url, manager
    flower.stop()
    manager.dispose()
    postgres_server.drop_database(name)


@pytest.fixture(scope="module")
def shared_browser() -> Iterator[Browser]:
    with reachable_directory() as profile:
        browser = Browser(profile, USER, PASSWORD)
        yield browser
        browser.close()


@pytest.fixture
def browser(shared_browser: Browser) -> Iterator[Browser]:
    shared_browser.problems.clear()
    shared_browser.size(*SIZES["desk"])
    shared_browser.theme("light")
    yield shared_browser
    assert shared_browser.problems == []


def one(database: DatabaseManager, query: str) -> Any:
    with database.transaction() as cursor:
        row = cursor.execute(query.encode()).fetchone()
    return row[0] if row else None


def confirm(browser: Browser, label: str) -> str:
    """Presses the button in the dialog, and returns the text that the dialog then shows."""
    browser.wait("document.querySelector('dialog[open] button[type=submit]:not(:disabled)')")
    browser.click(label, "dialog")
    text = browser.wait("document.querySelector('dialog .queue-done')?.textContent")
    browser.click("Close", "dialog")
    browser.wait("!document.querySelector('dialog')")
    return str(text)

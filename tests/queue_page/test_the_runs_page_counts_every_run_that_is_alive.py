"""The runs page lists at most 100 runs that are alive, but it counts all of them."""

from typing import Any

from queue_store.database.manager import DatabaseManager
from queue_store.readings.runs import RUNS_AT_MOST
from queue_store.settings import ProcessorSettings
from tasks.queue_page.arguments import Arguments
from tasks.queue_page.views import VIEWS
from tasks.queue_page.views.request import ViewRequest
from tests.support import filling
from tests.support.browser import Browser
from tests.support.page_browser import MARKS, browser, page_url, shared_browser

__all__ = ["browser", "page_url", "shared_browser"]
TEXT = "document.querySelector('#queue-view').innerText"
MORE_RUNS = """
INSERT INTO flow_execution_logs (flow_instance_id, flow_name, worker_process_id, heartbeat_at)
SELECT gen_random_uuid(), (ARRAY['alpha', 'beta'])[1 + n %% 2], gen_random_uuid(), now() + interval '1 hour'
FROM generate_series(1, %(count)s) n
"""


def add_runs(database: DatabaseManager, count: int) -> None:
    with database.transaction() as cursor:
        cursor.execute(MORE_RUNS, {"count": count})


def answer(database: DatabaseManager) -> dict[str, Any]:
    with database.transaction() as cursor:
        return VIEWS["runs"](ViewRequest(cursor, ProcessorSettings(), Arguments({}), None))  # type: ignore[no-any-return]


def test_all_are_counted(database: DatabaseManager) -> None:
    assert answer(database)["alive_count"] == 0
    add_runs(database, RUNS_AT_MOST + 20)
    filling.add_run(database, state="ended", finished_at=filling.alive())
    found = answer(database)
    assert (len(found["alive"]), found["alive_count"], len(found["over"])) == (100, 120, 1)


class TestInTheBrowser:
    pytestmark = MARKS

    def test_the_page_says_it(self, browser: Browser, page_url: tuple[str, DatabaseManager]) -> None:
        address, shown = page_url[0] + "/queue/runs", "document.querySelector('#queue-view table')"
        browser.open(address, shown)
        assert "3 runs alive\n" in browser.run(TEXT)
        add_runs(page_url[1], RUNS_AT_MOST + 17)
        browser.open(address, shown)
        assert "120 runs alive, of which the oldest 100 are shown" in browser.run(TEXT)

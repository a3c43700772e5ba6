"""The processes page lists the worker processes, with their hosts, flows, versions and last heartbeats."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.settings import ProcessorSettings
from tasks.queue_page.arguments import Arguments
from tasks.queue_page.views import VIEWS
from tasks.queue_page.views.request import ViewRequest
from tests.support import filling
from tests.support.browser import Browser
from tests.support.page_browser import MARKS, SIZES, browser, page_url, shared_browser

__all__ = ["browser", "page_url", "shared_browser"]
ROWS = "document.querySelectorAll('#queue-view tbody tr').length"
TEXT = "document.querySelector('#queue-view').innerText.replaceAll(/\\s+/g, ' ')"
MANY = """
INSERT INTO worker_processes (worker_process_id, worker_id, hostname, pid, flow_names, celery_queues, versions,
    heartbeat_at)
SELECT gen_random_uuid(), gen_random_uuid(), 'many-' || n, n,
    (SELECT array_agg('flow_' || f) FROM generate_series(1, 1000) f), ARRAY['bulk'],
    '{"processing-queue": "0.0.9"}', now() + interval '1 hour'
FROM generate_series(1, 200) n
"""
FILTER = """
(() => {{ const box = document.querySelector('#queue-view input[type=search]'); box.value = '{}';
box.dispatchEvent(new Event('input', {{bubbles: true}})); }})()
"""


def answer(database: DatabaseManager) -> dict[str, Any]:
    with database.transaction() as cursor:
        return VIEWS["processes"](ViewRequest(cursor, ProcessorSettings(), Arguments({}), None))  # type: ignore[no-any-return]


def test_a_process_says_its_run(database: DatabaseManager) -> None:
    process_id = filling.add_worker_process(database)
    run_id = filling.add_run(database, worker_process_id=process_id)
    (process,) = answer(database)["processes"]
    assert (process["worker_process_id"], process["run"].flow_instance_id) == (process_id, run_id)
    assert process["is_alive"]


def test_a_process_that_serves_many_flows_names_the_first(database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        cursor.execute(MANY)
    found = answer(database)["processes"]
    assert len(found) == 200
    assert all((len(p["flow_names"]), p["flow_count"], p["run"]) == (5, 1000, None) for p in found)


class TestInTheBrowser:
    pytestmark = MARKS

    @pytest.fixture
    def many(self, page_url: tuple[str, DatabaseManager]) -> Iterator[str]:
        url, database = page_url
        with database.transaction() as cursor:
            cursor.execute(MANY)
        yield url
        with database.transaction() as cursor:
            cursor.execute("DELETE FROM worker_processes WHERE hostname LIKE 'many-%'")

    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("size", SIZES)
    def test_the_page_is_reached_and_says_it(
        self, size: str, theme: str, browser: Browser, page_url: tuple[str, DatabaseManager]
    ) -> None:
        browser.size(*SIZES[size])
        browser.theme(theme)
        browser.open(page_url[0] + "/queue", "document.querySelector('.queue-tile')")
        browser.click("Processes", ".queue-tabs")
        browser.wait(f"{ROWS} === 3 && /3 alive on 3 hosts/.test({TEXT})")
        text = browser.run(TEXT)
        for said in ("3 alive on 3 hosts.", "101 on worker-1", "flows, images", "0.1.0", "lease 10 s"):
            assert said in text, text
        assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")
        if directory := os.environ.get("SCREENSHOTS"):
            browser.screenshot(Path(directory) / f"processes-{size}-{theme}.png")

    def test_many_processes_are_filtered_and_fit_on_a_phone(self, browser: Browser, many: str) -> None:
        browser.size(*SIZES["phone"])
        browser.open(many + "/queue/processes", f"{ROWS} === 8")
        assert browser.run("document.documentElement.scrollHeight") < 5_000
        assert "with different versions: 0.0.9, 0.1.0." in browser.run(TEXT)
        assert "and 995 more" in browser.run(TEXT)
        browser.run(FILTER.format("worker-2"))
        browser.wait(f"{ROWS} === 1 && /102 on worker-2/.test({TEXT})")
        browser.run(FILTER.format("no such host"))
        browser.wait(f"/No process has this/.test({TEXT})")
        browser.run(FILTER.format("bulk"))
        browser.click("Show all 200 processes")
        browser.wait(f"{ROWS} === 200")

"""A run's page shows its process, its start, its records by outcome, its claims and its failed attempts."""

import os
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.errors import UnknownRunError
from queue_store.settings import ProcessorSettings
from tasks.queue_page.arguments import Arguments
from tasks.queue_page.views import VIEWS
from tasks.queue_page.views.request import ViewRequest
from tests.support import filling
from tests.support.browser import Browser
from tests.support.page_browser import MARKS, SIZES, browser, one, page_url, shared_browser
from tests.support.page_flower import RUN

__all__ = ["browser", "page_url", "shared_browser"]
TEXT = "document.querySelector('#queue-view').innerText.replaceAll(/\\s+/g, ' ')"
ATTEMPTS = """
INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,
    exception_type, error_message, error_group)
SELECT n, 1, 1, 'alpha', %(run)s, 'retried', 'E', 'gone', 'E: gone' FROM generate_series(1, %(count)s) n
"""


def answer(database: DatabaseManager, run_id: UUID) -> dict[str, Any]:
    with database.transaction() as cursor:
        request = ViewRequest(cursor, ProcessorSettings(), Arguments({"run": str(run_id)}), None)
        return VIEWS["run"](request)  # type: ignore[no-any-return]


def plan(database: DatabaseManager, statement: str, run_id: UUID) -> str:
    with database.transaction() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        return "\n".join(
            row[0] for row in cursor.execute(f"EXPLAIN {statement}".encode(), {"run": run_id}).fetchall()
        )


def test_it_has_its_process_its_records_and_its_attempts(database: DatabaseManager) -> None:
    process_id = filling.add_worker_process(database)
    run_id = filling.add_run(database, worker_process_id=process_id, records_claimed=9, records_completed=2)
    filling.add_processing(database, 60, run_id)
    with database.transaction() as cursor:
        cursor.execute(ATTEMPTS, {"run": run_id, "count": 70})
    found = answer(database, run_id)
    assert (found["run"].hostname, found["run"].worker_process_id) == ("worker-1", process_id)
    assert (found["run"].records_claimed, found["run"].records_completed) == (9, 2)
    assert (len(found["records"]), len(found["attempts"])) == (50, 50)


def test_a_run_whose_process_is_purged_is_still_shown(database: DatabaseManager) -> None:
    run_id = filling.add_run(database)
    assert answer(database, run_id)["run"].hostname is None


def test_an_unknown_run_is_said(database: DatabaseManager) -> None:
    with pytest.raises(UnknownRunError, match="never claimed anything, or its row was purged"):
        answer(database, uuid4())


def test_attempts_of_a_run_and_runs_of_a_process_are_found_by_an_index(database: DatabaseManager) -> None:
    attempts = plan(database, "SELECT FROM record_attempts WHERE flow_instance_id = %(run)s", uuid4())
    assert "record_attempts_run" in attempts
    runs = plan(database, "SELECT FROM flow_execution_logs WHERE worker_process_id = %(run)s", uuid4())
    assert "flow_execution_logs_process" in runs


class TestInTheBrowser:
    pytestmark = MARKS

    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("size", SIZES)
    def test_it_is_reached_from_a_record_a_process_and_the_runs(
        self, size: str, theme: str, browser: Browser, page_url: tuple[str, DatabaseManager]
    ) -> None:
        url, database = page_url
        browser.size(*SIZES[size])
        browser.theme(theme)
        record_id = one(
            database,
            f"SELECT min(id) FROM processing_queue WHERE status = 'processing' AND flow_instance_id = '{RUN}'",  # noqa: S608
        )
        ways = {f"/queue/records/{record_id}": RUN, "/queue/processes": RUN[:8], "/queue/runs": RUN[:8]}
        for path, label in ways.items():
            browser.open(url + path, "document.querySelector('#queue-view a[href*=\"/runs/\"]')")
            browser.click(label)
            browser.wait(f"location.pathname === '/queue/runs/{RUN}' && /Claimed now/.test({TEXT})")
        text = browser.run(TEXT)
        for said in (
            "running of invoice_export",
            "101 on worker-1",
            "Completed 580",
            "the bank did not answer",
        ):
            assert said in text, text
        assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")
        if directory := os.environ.get("SCREENSHOTS"):
            browser.screenshot(Path(directory) / f"run-{size}-{theme}.png")

    def test_bad_input_is_said(self, browser: Browser, page_url: tuple[str, DatabaseManager]) -> None:
        said = {"17": "run must be an id such as", str(UUID(int=0)): "there is no run"}
        for subject, text in said.items():
            browser.open(
                f"{page_url[0]}/queue/runs/{subject}",
                f"document.querySelector('#queue-trouble').textContent.includes('{text}')",
            )
        browser.problems.clear()  # the browser logs each refused request as a network error

"""In a real browser, the Content-Security-Policy breaks no page, neither ours nor Flower's. On our pages, the policy
refuses injected inline scripts."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from queue_store.database.manager import DatabaseManager
from tests.support.browser import Browser
from tests.support.flower_process import environment
from tests.support.page_browser import MARKS, PAGES, SHOWN, browser, page_url, shared_browser
from tests.workers.processes import WORKER_OPTIONS, CeleryProcess

pytestmark = MARKS
__all__ = ["browser", "page_url", "shared_browser"]
KEEP_VIOLATIONS = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) =>
    window.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}`));
"""
SEEN = "document.querySelector('.navbar') && document.querySelector('{}')"
WORKER = "shown@here"
# For each page of Flower: its path, and a selector that matches once the page's scripts have run.
OF_FLOWER = {
    "workers": ("/workers", "#workers-table tbody tr a"),
    "worker": ("/worker/{worker}", "#tab-pool table"),
    "tasks": ("/tasks", "#tasks-table tbody tr a"),
    "task": ("/task/{task}", "#task-page .task-details-card"),
    "broker": ("/broker", "table"),
    "nothing": ("/there-is-nothing", "body"),
}


@pytest.fixture(scope="module")
def served(
    page_url: tuple[str, DatabaseManager], redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The name of a running worker, and the id of a task that it has executed."""
    url = page_url[1].engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    log = tmp_path_factory.mktemp("worker") / "log"
    arguments = ["worker", "-Q", "shown", "--concurrency=1", f"--hostname={WORKER}", "--task-events"]
    worker = CeleryProcess([*arguments, *WORKER_OPTIONS], environment(url, redis_url), log)
    try:
        worker.wait_for_log(" ready.")
        with Celery(broker=redis_url, set_as_current=False) as app:
            task = app.send_task("processing_queue.fan_out", queue="shown").id
        worker.wait_for_log(f"[{task}] succeeded")
        yield {"worker": WORKER, "task": task}
    finally:
        worker.kill()


@pytest.fixture
def strict(browser: Browser) -> Browser:
    browser.call("Page.addScriptToEvaluateOnNewDocument", source=KEEP_VIOLATIONS)
    return browser


def look(browser: Browser, url: str, ready: str, name: str) -> None:
    browser.open(url, ready)
    assert browser.run("window.violations") == [], url
    if directory := os.environ.get("SCREENSHOTS"):
        browser.screenshot(Path(directory) / f"policy-{name}.png")


@pytest.mark.parametrize("name", PAGES)
def test_no_page_of_ours_breaks_it(strict: Browser, page_url: tuple[str, DatabaseManager], name: str) -> None:
    look(strict, page_url[0] + PAGES[name], SHOWN, name)


@pytest.mark.parametrize("name", OF_FLOWER)
def test_no_page_of_flower_breaks_it(
    strict: Browser, page_url: tuple[str, DatabaseManager], served: dict[str, str], name: str
) -> None:
    path, shown = OF_FLOWER[name]
    look(strict, page_url[0] + path.format(**served), SEEN.format(shown), f"flower-{name}")
    if name == "nothing":
        strict.problems.clear()  # the browser logs the 404 as a network error


def test_a_script_of_somebody_else_is_refused_on_our_pages(
    strict: Browser, page_url: tuple[str, DatabaseManager]
) -> None:
    strict.open(page_url[0] + "/queue", SHOWN)
    strict.run(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.wasRun = true'}))"
    )
    strict.wait("window.violations.some((violation) => violation.startsWith('script-src-elem inline'))")
    assert strict.run("window.wasRun") is None
    assert any("Content Security Policy" in problem for problem in strict.problems)
    strict.problems.clear()

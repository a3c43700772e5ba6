"""Tests the admin in a real browser. The user is a staff member who may only view and change records and flows."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.django.conftest import client_of
from tests.support.browser import Browser
from tests.support.flow_runs import Worker
from tests.support.page_browser import MARKS, SIZES, browser, shared_browser

__all__ = ["browser", "shared_browser"]
pytestmark = MARKS

FAILING = "tests.django.shop.tasks.fail_for_good"
SAID = "document.querySelector('.messagelist')?.innerText.trim()"
ROWS = "[...document.querySelectorAll('#result_list tbody tr')].map((row) => row.innerText.replaceAll(/\\s+/g, ' '))"
Work = Callable[[str], None]


@pytest.fixture(scope="module")
def site_url(admin_tables: None) -> Iterator[str]:
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.test.testcases import LiveServerThread

    server = LiveServerThread("127.0.0.1", StaticFilesHandler)
    server.daemon = True
    server.start()
    assert server.is_ready.wait(60)
    assert server.error is None, server.error
    yield f"http://127.0.0.1:{server.port}/admin/processing_queue"
    server.terminate()


@pytest.fixture
def otto(site_url: str, browser: Browser, task_worker: Worker) -> Browser:
    """The browser, in which the operator Otto is logged in."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Permission

    user, _ = get_user_model().objects.get_or_create(username="Otto", is_staff=True)
    wanted = [f"{verb}_{model}" for verb in ("view", "change") for model in ("record", "flow")]
    user.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    cookie = client_of(user).cookies["sessionid"].value
    browser.call("Network.setCookie", name="sessionid", value=cookie, url=site_url)
    return browser


def act(browser: Browser, action: str) -> str:
    """Selects all rows, and applies the action to them. Returns the message that the admin shows."""
    # The box that selects all rows works only when Django's script has run. So the test clicks the box of each row.
    browser.wait("document.querySelector('.action-select')")
    browser.run("document.querySelectorAll('.action-select').forEach(box => box.click())")
    browser.run(f"document.querySelector('select[name=action]').value = '{action}'; 0")
    browser.run("window.isLeft = true; document.querySelector('button[name=index]').click()")
    return str(browser.wait(f"!window.isLeft && {SAID}"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_records_are_found_reset_and_cancelled(
    otto: Browser, site_url: str, shop: Any, work_off: Work, task_worker: Worker, size: str, theme: str
) -> None:
    otto.size(*SIZES[size])
    otto.theme(theme)
    failed, _ = shop.fail_for_good.enqueue("no money"), shop.add.enqueue(1)
    work_off("fail_for_good")
    otto.open(f"{site_url}/record/", ROWS + ".length === 2")
    otto.click("failed", "#changelist-filter")
    otto.wait(f"location.search.includes('failed') && {ROWS}.length === 1")
    assert failed.id in otto.run(ROWS)[0]
    if directory := os.environ.get("SCREENSHOTS"):
        otto.screenshot(Path(directory) / f"admin-records-{size}-{theme}.png")
    assert act(otto, "reset").startswith("1 reset")
    otto.open(f"{site_url}/record/?status=pending", ROWS + ".length === 2")
    assert act(otto, "cancel").startswith("2 cancelled")
    assert task_worker.statuses() == {"cancelled": 2}
    actors = task_worker.query("SELECT DISTINCT actor FROM audit_log WHERE action IN ('reset', 'cancel')")
    assert [row.actor for row in actors] == ["Otto"]


def test_a_flow_is_found_paused_and_resumed(otto: Browser, site_url: str, task_worker: Worker) -> None:
    otto.open(f"{site_url}/flow/?q={FAILING}-urgent", ROWS + ".length === 1")
    assert act(otto, "pause") == "1 paused."
    paused = "SELECT flow_name FROM flows WHERE paused_at IS NOT NULL"
    assert [row.flow_name for row in task_worker.query(paused)] == [f"{FAILING}-urgent"]
    assert act(otto, "resume") == "1 resumed."
    assert task_worker.query(paused) == []


def test_a_record_shows_its_attempts_and_the_way_to_the_queue_page(
    otto: Browser, site_url: str, shop: Any, work_off: Work
) -> None:
    failed = shop.fail_for_good.enqueue("no money")
    work_off("fail_for_good")
    otto.open(f"{site_url}/record/{failed.id}/change/", "document.querySelector('.field-attempts_so_far')")
    assert "CardRefusedError" in otto.run("document.querySelector('.field-attempts_so_far').innerText")
    link = otto.run("document.querySelector('.field-on_the_queue_page a').href")
    assert link == f"https://flower.example.net/queue/records/{failed.id}"
    assert otto.run("document.querySelectorAll('#content-main input[type=submit]').length") == 0

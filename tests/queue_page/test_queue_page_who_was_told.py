"""For each alert, the alerts page says who was notified, who will be notified next, and when. The page also says who
can be reached."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from queue_store.alerting import alerts, contacts
from queue_store.alerting.alerts import NOTIFICATION_TRIES, take_notification
from queue_store.database.manager import DatabaseManager
from queue_store.settings import ProcessorSettings
from tasks.queue_page.arguments import Arguments
from tasks.queue_page.views import VIEWS
from tasks.queue_page.views.request import ViewRequest
from tests.alerts.test_alerts import execute, finding, update
from tests.support.browser import Browser
from tests.support.page_browser import MARKS, SIZES, browser, page_url, shared_browser

__all__ = ["browser", "page_url", "shared_browser"]
TEXT = "document.querySelector('#queue-view').innerText"


def page(database: DatabaseManager) -> dict[str, Any]:
    with database.transaction() as cursor:
        return VIEWS["alerts"](ViewRequest(cursor, ProcessorSettings(), Arguments({}), None))  # type: ignore[no-any-return]


def states(database: DatabaseManager) -> list[tuple[str, str, str]]:
    rows = [row for kind in ("live", "resolved") for row in page(database)[kind]]
    return [(n.contact, n.change, n.state) for row in rows for n in row["notifications"]]


def mark(database: DatabaseManager, contact: str, error: str | None) -> None:
    with database.transaction() as cursor:
        notification = take_notification(cursor, contact)
        assert notification is not None
        alerts.mark_notification(cursor, notification, error)


def test_a_notification_goes_through_its_states(database: DatabaseManager) -> None:
    update(database, finding())
    assert states(database) == [("primary", "opened", "without channel")]
    with database.transaction() as cursor:
        contacts.register(cursor, ["primary"], "worker")
    assert states(database) == [("primary", "opened", "waiting")]
    mark(database, "primary", "answered 503")
    assert states(database) == [("primary", "opened", "failing")]
    with database.transaction() as cursor:
        cursor.execute("UPDATE alert_notices SET try_count = %s", (NOTIFICATION_TRIES,))
    assert states(database) == [("primary", "opened", "given up")]
    update(database)
    assert states(database) == [("primary", "opened", "dropped")]


def test_what_was_sent_says_when(database: DatabaseManager) -> None:
    update(database, finding())
    with database.transaction() as cursor:
        assert take_notification(cursor, "primary") is not None
    assert states(database) == [("primary", "opened", "being sent")]
    execute(database, "UPDATE alert_notices SET taken_at = NULL, try_count = 0")
    mark(database, "primary", None)
    assert states(database) == [("primary", "opened", "sent")]
    assert isinstance(page(database)["live"][0]["notifications"][0].sent_at, datetime)


@pytest.mark.parametrize(
    ("level", "steps"),
    [
        ("warning", [("secondary", 30)]),
        ("critical", [("secondary", 15), ("infrastructure", 30), ("management", 45)]),
        ("emergency", []),
    ],
)
def test_who_is_next_is_who_is_told_next(
    database: DatabaseManager, level: str, steps: list[tuple[str, int]]
) -> None:
    update(database, finding(level))
    for contact, minutes in steps:
        (alert,) = page(database)["live"]
        assert alert["next"].contact == contact
        assert (alert["next"].at - alert["level_since"]).total_seconds() == minutes * 60
        execute(database, f"UPDATE alerts SET level_since = now() - interval '{minutes} minutes 1 second'")  # noqa: S608
        update(database, finding(level))
        assert states(database)[-1][:2] == (contact, "escalated")
    assert page(database)["live"][0]["next"] is None


def test_nobody_is_next_once_somebody_looks_after_it(database: DatabaseManager) -> None:
    update(database, finding())
    with database.transaction() as cursor:
        assert alerts.acknowledge(cursor, page(database)["live"][0]["id"], "anna")
    assert page(database)["live"][0]["next"] is None


def test_five_hundred_alerts_are_read_with_one_look_each(database: DatabaseManager) -> None:
    update(database, *(finding("emergency", f"code_{n}") for n in range(500)))
    found = page(database)["live"]
    assert len(found) == 500
    assert all(len(alert["notifications"]) == 5 for alert in found)


class TestInTheBrowser:
    pytestmark = MARKS

    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("size", SIZES)
    def test_the_page_says_it(
        self, size: str, theme: str, browser: Browser, page_url: tuple[str, DatabaseManager]
    ) -> None:
        browser.size(*SIZES[size])
        browser.theme(theme)
        browser.open(
            page_url[0] + "/queue/alerts", "document.querySelectorAll('ul.queue-prose li').length > 3"
        )
        text = browser.run(TEXT)
        for said in (
            "primary opened: told",
            "secondary escalated: tried 3× hooks.example.net: answered 503",
            "next infrastructure in",
            "queuectl check, 17 on cron-1",
        ):
            assert said in text, text
        assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")
        if directory := os.environ.get("SCREENSHOTS"):
            browser.screenshot(Path(directory) / f"alerts-{size}-{theme}.png")

"""If a waiting notification is dropped, the alerts page says whether the alert was resolved, or the contact was
forgotten."""

from queue_store.alerting import contacts
from queue_store.database.manager import DatabaseManager
from queue_store.settings import ProcessorSettings
from tasks.queue_page.arguments import Arguments
from tasks.queue_page.views import VIEWS
from tasks.queue_page.views.request import ViewRequest
from tests.alerts.test_alerts import execute, finding, update
from tests.support.browser import Browser
from tests.support.page_browser import MARKS, browser, page_url, shared_browser

__all__ = ["browser", "page_url", "shared_browser"]
TEXT = "document.querySelector('#queue-view').innerText"


def forget(database: DatabaseManager, contact: str = "primary") -> None:
    with database.transaction() as cursor:
        contacts.register(cursor, [contact], "worker")
        assert contacts.forget(cursor, contact, "anna")


def states(database: DatabaseManager) -> list[tuple[str, str]]:
    with database.transaction() as cursor:
        answer = VIEWS["alerts"](ViewRequest(cursor, ProcessorSettings(), Arguments({}), None))
    rows = [row for kind in ("live", "resolved") for row in answer[kind]]
    return [(n.change, n.state) for row in rows for n in row["notifications"]]


def test_the_contact_of_an_open_alert_was_forgotten(database: DatabaseManager) -> None:
    update(database, finding())
    forget(database)
    assert states(database) == [("opened", "forgotten")]
    update(database)  # resolving the alert later does not change the reason
    assert states(database) == [("opened", "forgotten")]


def test_the_alert_was_resolved_before_the_contact_was_forgotten(database: DatabaseManager) -> None:
    update(database, finding())
    update(database)
    forget(database)
    assert states(database) == [("opened", "dropped")]


def test_the_contact_was_forgotten_before_it_heard_that_the_alert_is_resolved(
    database: DatabaseManager,
) -> None:
    update(database, finding())
    execute(database, "UPDATE alert_notices SET taken_at = now(), sent_at = now()")
    update(database)
    forget(database)
    assert states(database) == [("opened", "sent"), ("resolved", "forgotten")]


class TestInTheBrowser:
    pytestmark = MARKS

    def test_the_page_says_it(self, browser: Browser, page_url: tuple[str, DatabaseManager]) -> None:
        forget(page_url[1], "secondary")
        execute(page_url[1], "UPDATE alerts SET resolved_at = now() WHERE level = 'warning'")
        execute(
            page_url[1],
            "UPDATE alert_notices SET sent_at = NULL, dropped_at = now() FROM alerts a"
            " WHERE a.id = alert_id AND a.resolved_at IS NOT NULL",
        )
        browser.open(
            page_url[0] + "/queue/alerts", "document.querySelectorAll('ul.queue-prose li').length > 3"
        )
        text = browser.run(TEXT)
        assert "secondary escalated: not told, because the contact was forgotten first" in text
        assert "primary opened: not told, because the alert was resolved first" in text

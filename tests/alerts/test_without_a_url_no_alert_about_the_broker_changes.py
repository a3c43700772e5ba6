"""Without the URL of a broker, a check knows nothing about the broker. So the check resolves no alert about the broker.
The only such alert that the check opens is about a control queue that nobody serves, because the database shows this
problem."""

import pytest

from queue_store.alerting import alerts
from queue_store.database.manager import DatabaseManager
from queue_store.settings import ProcessorSettings
from tasks.alerts.checking import check_queue
from tasks.app import app
from tasks.monitoring.broker import read_broker
from tasks.monitoring.rules import BROKER_CODES
from tests.alerts.test_alerts import finding, update
from tests.support import filling

GONE = "redis://127.0.0.1:1/0"
SETTINGS = ProcessorSettings()


@pytest.fixture(autouse=True)
def _without_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.conf, "broker_url", None)


def about_the_broker(database: DatabaseManager) -> set[str]:
    with database.transaction() as cursor:
        return {alert.code for alert in alerts.read_alerts(cursor)} & BROKER_CODES


def test_nothing_is_read() -> None:
    assert read_broker() is None


def test_no_alert_is_opened(database: DatabaseManager) -> None:
    found = check_queue(database, SETTINGS, notify=True).findings
    assert {f.code for f in found} & BROKER_CODES == set()
    assert about_the_broker(database) == set()


def test_no_alert_is_resolved(database: DatabaseManager) -> None:
    update(database, *(finding(code=code) for code in sorted(BROKER_CODES)), finding())
    check_queue(database, SETTINGS, notify=True)
    assert about_the_broker(database) == BROKER_CODES
    with database.transaction() as cursor:
        assert "failed_records" not in {alert.code for alert in alerts.read_alerts(cursor)}


def test_a_control_queue_that_nobody_serves_is_found_in_the_database(database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO beats (beat_id, hostname, pid, started_at)"
            " VALUES (gen_random_uuid(), 'beat', 1, now() - interval '2 minutes')"
        )
    filling.add_worker_process(database, celery_queues=["flows"])
    check_queue(database, SETTINGS, notify=True)
    assert about_the_broker(database) == {"control_queue"}


def test_with_a_url_the_alerts_change_as_before(
    database: DatabaseManager, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.conf, "broker_url", GONE)
    check_queue(database, SETTINGS, notify=True)
    assert about_the_broker(database) == {"broker_unreachable"}
    monkeypatch.setattr(app.conf, "broker_url", redis_url)
    check_queue(database, SETTINGS, notify=True)
    assert about_the_broker(database) == set()

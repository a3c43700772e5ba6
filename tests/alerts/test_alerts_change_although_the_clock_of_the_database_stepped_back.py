"""After a failover, the clock of the database can be behind the clock of the former primary. Alerts and notifications
with later times are still raised, resolved, opened again, escalated and sent."""

from queue_store.alerting import alerts
from queue_store.alerting.alerts import Alert, take_notification
from queue_store.database.manager import DatabaseManager
from queue_store.schedule.recurring import database_time
from tests.alerts.test_alerts import age, execute, finding, notifications, update as update_without_time

STEP = "interval '10 minutes'"


def update(database: DatabaseManager, *levels: str) -> None:
    with database.transaction() as cursor:
        judged_at = database_time(cursor)
    update_without_time(database, *map(finding, levels), judged_at=judged_at)


def step_back(database: DatabaseManager, step: str = STEP) -> None:
    """Moves all times of the alerts, instead of the clock."""
    execute(
        database,
        f"UPDATE alerts SET opened_at = opened_at + {step}, level_since = level_since + {step},"  # noqa: S608
        f" raised_at = raised_at + {step}, last_seen_at = last_seen_at + {step}, resolved_at = resolved_at + {step}",
    )
    execute(database, f"UPDATE alert_notices SET taken_at = taken_at + {step}")  # noqa: S608


def open_alerts(database: DatabaseManager) -> list[Alert]:
    with database.transaction() as cursor:
        return [alert for alert in alerts.read_alerts(cursor) if alert.resolved_at is None]


def test_an_open_alert_is_raised_and_resolved(database: DatabaseManager) -> None:
    update(database, "warning")
    notifications(database)
    step_back(database)
    update(database, "critical")
    assert notifications(database) == [("raised", "critical", "log"), ("raised", "critical", "primary")]
    step_back(database)
    update(database)
    assert open_alerts(database) == []


def test_a_resolved_alert_is_opened_again(database: DatabaseManager) -> None:
    update(database, "warning")
    update(database)
    step_back(database)
    update(database, "warning")
    assert [alert.level for alert in open_alerts(database)] == ["warning"]


def test_an_open_alert_is_escalated_in_time(database: DatabaseManager) -> None:
    update(database, "critical")
    step_back(database, "interval '10 days'")
    update(database, "critical")
    notifications(database)
    age(database, 16)
    update(database, "critical")
    assert notifications(database)[-1] == ("escalated", "critical", "secondary")


def test_a_level_that_returns_soon_notifies_nobody_again_until_half_an_hour_has_passed(
    database: DatabaseManager,
) -> None:
    update(database, "critical")
    step_back(database, "interval '10 days'")
    update(database, "warning")
    notifications(database)
    update(database, "critical")
    assert notifications(database) == []
    update(database, "warning")
    age(database, 31)
    update(database, "critical")
    assert ("raised", "critical", "primary") in notifications(database)


def test_a_notification_that_could_not_be_sent_is_tried_again(database: DatabaseManager) -> None:
    update(database, "critical")
    with database.transaction() as cursor:
        assert take_notification(cursor, "primary") is not None
        assert take_notification(cursor, "primary") is None
    step_back(database)
    with database.transaction() as cursor:
        assert take_notification(cursor, "primary") is not None


def test_an_older_judgement_still_changes_nothing(database: DatabaseManager) -> None:
    """Clocks that NTP keeps differ by less than a minute."""
    update(database, "warning")
    step_back(database, "interval '30 seconds'")
    update(database, "critical")
    update(database)
    assert [(alert.level, alert.seen_count) for alert in open_alerts(database)] == [("warning", 1)]
    update_without_time(database)
    step_back(database, "interval '30 seconds'")
    update(database, "warning")
    assert open_alerts(database) == []

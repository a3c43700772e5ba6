"""The alerts: what is wrong, who was notified, who is notified next, and who can be reached."""

from dataclasses import asdict
from typing import Any

from queue_store.alerting.alerts import Alert, count_alerts, read_alerts
from queue_store.alerting.contacts import read_contacts
from queue_store.alerting.notifications import SentOrNot, next_escalation, read_notifications

from .request import ViewRequest

DAY_SECONDS = 86_400.0


def alerts(request: ViewRequest) -> dict[str, Any]:
    found = read_alerts(request.cursor, DAY_SECONDS)
    by_alert: dict[int, list[SentOrNot]] = {alert.id: [] for alert in found}
    for notification in read_notifications(request.cursor, list(by_alert)):
        by_alert[notification.alert_id].append(notification)
    rows = [_row(alert, by_alert[alert.id]) for alert in found]
    return {
        "live": [row for row in rows if row["resolved_at"] is None],
        "resolved": [row for row in rows if row["resolved_at"] is not None],
        "left_out_count": count_alerts(request.cursor, found, DAY_SECONDS) - len(found),
        "contacts": read_contacts(request.cursor),
    }


def _row(alert: Alert, notifications: list[SentOrNot]) -> dict[str, Any]:
    return asdict(alert) | {"notifications": notifications, "next": next_escalation(alert)}

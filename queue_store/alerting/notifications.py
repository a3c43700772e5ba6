"""The contacts that were notified of an alert, and the contact that will be notified next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Cursor

from queue_store.alerting.alerts import (
    ESCALATION_SECONDS,
    LAST_STEP,
    LOG,
    NOTIFICATION_TRIES,
    Alert,
    recipients_of,
)
from queue_store.database.rows import rows_as
from queue_store.database.statements import sql

OF_AN_ALERT = 12


@dataclass(frozen=True, slots=True)
class SentOrNot:
    """A notification to a person. `state`: sent, waiting, being sent, failing, given up, dropped, forgotten or without
    channel.

    Failing: the notification could not be sent, and the next try is still to come. Dropped: the alert was resolved
    before the notification was sent. Forgotten: somebody called `forget` before the notification was sent. Without
    channel: no process has registered the contact, or no process has registered it again since it was forgotten."""

    alert_id: int
    contact: str
    change: str
    level: str
    created_at: datetime
    sent_at: datetime | None
    try_count: int
    error_message: str | None
    state: str


@dataclass(frozen=True, slots=True)
class Escalation:
    """`at`: the first judgement after this time escalates the alert."""

    contact: str
    at: datetime


def read_notifications(cursor: Cursor[Any], alert_ids: Sequence[int]) -> list[SentOrNot]:
    """For each alert, its last notifications to people (at most OF_AN_ALERT), in the order in which they were
    stored."""
    parameters = {
        "alert_ids": list(alert_ids),
        "tries": NOTIFICATION_TRIES,
        "log": LOG,
        "limit": OF_AN_ALERT,
    }
    return rows_as(cursor.execute(sql("alerting/notifications"), parameters), SentOrNot)


def next_escalation(alert: Alert) -> Escalation | None:
    """Returns None if the alert is resolved or acknowledged, if its level never escalates, or if it has reached its
    last step."""
    seconds = ESCALATION_SECONDS.get(alert.level)
    if alert.resolved_at or alert.acknowledged_by or seconds is None:
        return None
    step = alert.escalation_step + 1
    if step > LAST_STEP[alert.level]:
        return None
    *_, contact = recipients_of(alert.code, alert.level, step)
    return Escalation(contact, alert.level_since + timedelta(seconds=step * seconds))

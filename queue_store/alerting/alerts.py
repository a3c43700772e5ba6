"""The life of an alert: opened, seen again, raised to a higher level, escalated, acknowledged, resolved.

When an alert is opened, raised, escalated or resolved, this change is stored together with its notifications, one for
each recipient. So no notification is forgotten or stored twice. If a process dies before it marks a notification as
sent, that notification is sent again with the same id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from queue_store.alerting.findings import LEVELS, Finding
from queue_store.database.rows import row_as, rows_as
from queue_store.database.statements import sql

LOG = "log"
CONTACTS = ("primary", "secondary", "database_administrator", "infrastructure", "management")
ESCALATION_SECONDS = {"warning": 1_800.0, "critical": 900.0}
LAST_STEP = {"warning": 1, "critical": 3}
SAME_RISE_SECONDS = 1_800.0  # if an alert returns to a level within this time, nobody is notified again
ALERTS_AT_MOST = 500
NOTIFICATION_TRIES = 8
NOTIFICATION_RETRY_SECONDS = 60.0
UNREACHED_CODE = "contact_without_channel"
DATABASE_CODES = frozenset(
    {"database_unreachable", "database_takes_no_writes", "response_time", "pool_utilization", "server_connections",
     "idle_in_transaction", "held_snapshot", "corruption", "wrong_counts", "lost_evidence"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Alert:
    id: int
    alert_key: str
    code: str
    flow_name: str | None
    level: str
    message: str
    next_step: str
    opened_at: datetime
    level_since: datetime
    last_seen_at: datetime
    seen_count: int
    escalation_step: int
    acknowledged_by: str | None
    resolved_at: datetime | None
    unsent_count: int
    sending_error: str | None


@dataclass(frozen=True, slots=True)
class Notification:
    """A message to one contact. If it is sent again, `id` stays the same."""

    id: int
    change: str
    level: str
    escalation_step: int
    contact: str
    alert_key: str
    code: str
    flow_name: str | None
    message: str
    next_step: str
    figure: float | None
    threshold: float | None
    opened_at: datetime
    alert_id: int


def update(
    cursor: Cursor[Any],
    findings: Sequence[Finding],
    judged_codes: Sequence[str],
    judged_at: datetime | None = None,
    held_keys: Sequence[str] = (),
) -> None:
    """Open, raise, escalate and resolve alerts according to the findings.

    Each change is stored with its notifications, one for each recipient. A notification is stored even for a recipient
    that this process cannot reach, because another process may have a channel to that recipient, now or later.

    An alert whose code is not in `judged_codes`, or whose key is in `held_keys`, is not resolved. `judged_at` is the
    database's time at the beginning of the judgement. An alert that was updated after `judged_at` is neither
    updated nor resolved, because a newer judgement has already decided about it. Escalation does not depend on
    `judged_codes`, `held_keys` or `judged_at`."""
    cursor.execute(sql("alerting/lock_alerts"))
    for finding in findings:
        _see(cursor, finding, judged_at)
    seen_keys = [*(finding.key for finding in findings), *held_keys]
    _resolve(cursor, seen_keys, judged_codes, judged_at)
    for level, seconds in ESCALATION_SECONDS.items():
        _escalate(cursor, level, seconds)


def recipients_of(code: str, level: str, step: int) -> list[str]:
    """The recipients at this escalation step: the log and the contact of this step. In an emergency, all contacts
    are recipients. If the alert says that a contact cannot be reached, all contacts are recipients of its first step,
    because the unreachable contact may be the only one of that step."""
    chain = ["primary", "secondary", _specialist(code), "management"]
    if level == "emergency" or (code == UNREACHED_CODE and step == 0):
        return [LOG, *CONTACTS]
    return [LOG, *chain[step : step + 1]]


def take_notification(cursor: Cursor[Any], contact: str) -> Notification | None:
    parameters = {
        "contact": contact,
        "tries": NOTIFICATION_TRIES,
        "retry_seconds": NOTIFICATION_RETRY_SECONDS,
    }
    return row_as(cursor.execute(sql("alerting/take_notification"), parameters), Notification)


def mark_notification(cursor: Cursor[Any], notification: Notification, error_message: str | None) -> None:
    cursor.execute(sql("alerting/mark_notification"), {"id": notification.id, "error_message": error_message})


def acknowledge(cursor: Cursor[Any], alert_id: int, actor: str) -> bool:
    """Returns False if no alert has this id, or if the alert is acknowledged or resolved already."""
    return (
        cursor.execute(sql("alerting/acknowledge_alert"), {"id": alert_id, "actor": actor}).fetchone()
        is not None
    )


def count_open_alerts(cursor: Cursor[Any]) -> dict[str, int]:
    """Returns the number of open alerts by level. A level without open alerts is missing."""
    return dict(cursor.execute(sql("alerting/open_alerts")).fetchall())


def read_alerts(cursor: Cursor[Any], resolved_seconds: float = 0) -> list[Alert]:
    """Unresolved alerts, the worst first, and after them the alerts that were resolved within the last
    `resolved_seconds`. At most ALERTS_AT_MOST alerts in all."""
    parameters = {"resolved_seconds": resolved_seconds, "limit": ALERTS_AT_MOST}
    return rows_as(cursor.execute(sql("alerting/alerts"), parameters), Alert)


def count_alerts(cursor: Cursor[Any], found: Sequence[Alert], resolved_seconds: float = 0) -> int:
    """How many alerts `read_alerts` would have found without its limit. Counts the alerts only if `found` has reached
    that limit."""
    if len(found) < ALERTS_AT_MOST:
        return len(found)
    row = cursor.execute(sql("alerting/count_alerts"), {"resolved_seconds": resolved_seconds}).fetchone()
    return max(len(found), row[0] if row else 0)


def _notify(
    cursor: Cursor[Any],
    alert_id: int,
    change: str,
    level: str,
    recipients: Sequence[str],
    rise_count: int,
    step: int = 0,
) -> None:
    parameters = {
        "alert_id": alert_id,
        "change": change,
        "level": level,
        "rise_count": rise_count,
        "escalation_step": step,
        "contacts": list(recipients),
    }
    cursor.execute(sql("alerting/add_notification"), parameters)


def _see(cursor: Cursor[Any], finding: Finding, judged_at: datetime | None) -> None:
    parameters = {
        "judged_at": judged_at,
        "alert_key": finding.key,
        "levels_below": list(LEVELS[: LEVELS.index(finding.level)]),
        "same_rise_seconds": SAME_RISE_SECONDS,
        **finding.as_dict(),
    }
    row = cursor.execute(sql("alerting/see_alert"), parameters).fetchone()
    alert_id, is_new, rise_count, is_raised = row or (0, False, 0, False)
    if is_new or is_raised:
        recipients = recipients_of(finding.code, finding.level, 0)
        _notify(cursor, alert_id, "opened" if is_new else "raised", finding.level, recipients, rise_count)


def _resolve(
    cursor: Cursor[Any],
    seen_keys: Sequence[str],
    judged_codes: Sequence[str],
    judged_at: datetime | None,
) -> None:
    parameters = {
        "judged_at": judged_at,
        "judged_codes": list(judged_codes),
        "seen_keys": list(seen_keys),
    }
    for alert_id, level, rise_count in cursor.execute(sql("alerting/resolve_alerts"), parameters).fetchall():
        cursor.execute(sql("alerting/drop_notifications"), {"alert_id": alert_id})
        notified = cursor.execute(sql("alerting/notified_contacts"), {"alert_id": alert_id}).fetchall()
        _notify(cursor, alert_id, "resolved", level, [contact for (contact,) in notified], rise_count)


def _escalate(cursor: Cursor[Any], level: str, seconds: float) -> None:
    parameters = {"level": level, "seconds": seconds, "last_step": LAST_STEP[level]}
    rows = cursor.execute(sql("alerting/escalate_alerts"), parameters).fetchall()
    for alert_id, code, step, rise_count in rows:
        _notify(cursor, alert_id, "escalated", level, recipients_of(code, level, step), rise_count, step)


def _specialist(code: str) -> str:
    return "database_administrator" if code in DATABASE_CODES else "infrastructure"

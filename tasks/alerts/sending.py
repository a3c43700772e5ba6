"""Sends what is to be sent. A notice is taken, sent, and marked, each in a transaction of its own."""

from typing import Any

from queue_store import alerts
from queue_store.alerts import Notice
from queue_store.database_manager import DatabaseManager
from queue_store.redaction import redact
from queue_store.settings import ProcessorSettings
from tasks.alerts.channels import ChannelError, channels_of

NOTICES_AT_ONCE = 200


def send_notices(database: DatabaseManager, settings: ProcessorSettings) -> int:
    """Returns how many were sent. A channel that fails is tried again later; the others are not kept waiting."""
    sent = 0
    for _ in range(NOTICES_AT_ONCE):
        with database.transaction() as cursor:
            notice = alerts.take_notice(cursor)
        if notice is None:
            break
        problem = deliver(notice.contact, message_of(notice), settings)
        with database.transaction() as cursor:
            alerts.mark_notice(cursor, notice, problem)
        sent += problem is None
    return sent


def deliver(contact: str, message: dict[str, Any], settings: ProcessorSettings) -> str | None:
    """None, or what went wrong. One way to reach the contact suffices."""
    problems: list[str] = []
    channels = channels_of(contact, settings)
    for channel in channels:
        try:
            channel.send(message)
        except ChannelError as error:
            problems.append(redact(str(error)))
    return "; ".join(problems) if problems and len(problems) == len(channels) else None


def message_of(notice: Notice) -> dict[str, Any]:
    """What a webhook gets. `notice_id` is the same when it is sent again."""
    return {
        "notice_id": notice.id,
        "alert_id": notice.alert_id,
        "change": notice.change,
        "level": notice.level,
        "escalation_step": notice.escalation_step,
        "contact": notice.contact,
        "code": notice.code,
        "flow_name": notice.flow_name,
        "message": notice.message,
        "next_step": notice.next_step,
        "figure": notice.figure,
        "threshold": notice.threshold,
        "opened_at": notice.opened_at.isoformat(),
    }


def trial_message(contact: str) -> dict[str, Any]:
    """Tells the one who gets it that nothing is wrong."""
    return {
        "notice_id": "test",
        "change": "test",
        "level": "warning",
        "contact": contact,
        "code": "test",
        "message": f"This is a test of the channel of {contact}. Nothing is wrong.",
        "next_step": "nothing is to be done",
    }

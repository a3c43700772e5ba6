"""Sends notifications. One transaction takes a notification, and a later one marks it as sent. No transaction is
open while the notification is sent."""

import logging
from typing import Any

from queue_store.alerting import alerts, contacts
from queue_store.alerting.alerts import Notification
from queue_store.database.bounded_read import bounded_read
from queue_store.database.manager import DatabaseManager
from queue_store.errors import QueueStoreError
from queue_store.redaction import redact
from queue_store.settings import ProcessorSettings

from ..monitoring.databases import STATEMENT_SECONDS
from .channels import ChannelError, channels_of
from .fan_out_to_contacts import fan_out_to_contacts

logger = logging.getLogger(__name__)

NOTIFICATIONS_AT_ONCE = 200
WORKER = "worker"  # a kind of process


def reachable_contacts(settings: ProcessorSettings) -> list[str]:
    """The contacts that this process has a channel to, the log first."""
    return [contact for contact in (alerts.LOG, *alerts.CONTACTS) if channels_of(contact, settings)]


def register_contacts(database: DatabaseManager, settings: ProcessorSettings, process_kind: str) -> list[str]:
    """Store the names of the contacts that this process has channels to, so that other processes can read them. No
    addresses are stored. Returns those contacts for which notifications are waiting."""
    named = [contact for contact in reachable_contacts(settings) if contact != alerts.LOG]
    if not named:
        return []
    with bounded_read(database, timeout_seconds=STATEMENT_SECONDS) as cursor:
        contacts.register(cursor, named, process_kind)
        return contacts.contacts_waited_for(cursor, named)


def send_what_waits(database: DatabaseManager, settings: ProcessorSettings) -> int:
    """Send waiting notifications. One process of each worker calls this, because the process that judged the queue may
    have no channel to some contacts. Returns how many were sent. Raises QueueStoreError."""
    return _send(database, settings, register_contacts(database, settings, WORKER))


def send_notifications(database: DatabaseManager, settings: ProcessorSettings) -> int:
    """Sends notifications to the contacts that this process has a channel to, and returns how many were sent. A
    channel that fails is tried again later, and does not delay the other contacts. Notifications for a contact
    without a channel in this process are left to other processes."""
    return _send(database, settings, reachable_contacts(settings))


def _send(database: DatabaseManager, settings: ProcessorSettings, recipients: list[str]) -> int:
    sent = fan_out_to_contacts(lambda contact: _send_to(contact, database, settings), recipients)
    return sum(sent.values())


def _send_to(contact: str, database: DatabaseManager, settings: ProcessorSettings) -> int:
    """Send the contact's notifications in order, until one cannot be sent."""
    for sent in range(NOTIFICATIONS_AT_ONCE):
        try:
            with database.transaction() as cursor:
                notification = alerts.take_notification(cursor, contact)
            if notification is None:
                return sent
            problem = deliver(contact, message_of(notification), settings)
            with database.transaction() as cursor:
                alerts.mark_notification(cursor, notification, problem)
        except QueueStoreError as error:
            logger.warning("some notifications could not be sent to %s: %s", contact, error)
            return sent
        if problem is not None:
            return sent
    return NOTIFICATIONS_AT_ONCE


def deliver(contact: str, message: dict[str, Any], settings: ProcessorSettings) -> str | None:
    """Sends the message to the contact, over each channel that this process's settings list for the contact. Returns
    None if at least one channel worked, and otherwise all problems."""
    problems: list[str] = []
    channels = channels_of(contact, settings)
    if not channels:
        return f"{contact} has no channel here: set CONTACT_{contact.upper()}"
    for channel in channels:
        try:
            channel.send(message)
        except ChannelError as error:
            problems.append(redact(str(error)))
        except Exception as error:  # noqa: BLE001  (an error in one channel's library does not stop the other channels)
            problems.append(type(error).__name__)
    return "; ".join(problems) if len(problems) == len(channels) else None


def message_of(notification: Notification) -> dict[str, Any]:
    """The JSON that a webhook receives. `notification_id` stays the same if the message is sent again. The next version
    removes `notice_id`, the old name of `notification_id`."""
    return {
        "notification_id": notification.id,
        "notice_id": notification.id,
        "alert_id": notification.alert_id,
        "change": notification.change,
        "level": notification.level,
        "escalation_step": notification.escalation_step,
        "contact": notification.contact,
        "code": notification.code,
        "flow_name": notification.flow_name,
        "message": notification.message,
        "next_step": notification.next_step,
        "figure": notification.figure,
        "threshold": notification.threshold,
        "opened_at": notification.opened_at.isoformat(),
    }


def trial_message(contact: str) -> dict[str, Any]:
    return {
        "notification_id": "test",
        "notice_id": "test",
        "change": "test",
        "level": "warning",
        "contact": contact,
        "code": "test",
        "message": f"This is a test of the channel of {contact}. Nothing is wrong.",
        "next_step": "nothing needs to be done",
    }

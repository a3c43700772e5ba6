"""The names of the contacts to which processes have channels. The contacts' addresses are secrets and never reach
the database.

Any process can evaluate the alert rules, even without a recipient's channel. So a notification is stored for each
recipient, and a process that has the recipient's channel sends it. If no process has a channel to a contact any more,
the alert rules report a finding until the contact is forgotten.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from queue_store.alerting.alerts import LOG, NOTIFICATION_TRIES, UNREACHED_CODE
from queue_store.database.rows import rows_as, the_row_as
from queue_store.database.statements import sql

FRESH_SECONDS = 20.0
FORGOTTEN_AFTER_SECONDS = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Contact:
    """`process_kind`, `hostname`, `pid`: the process that last registered the contact. `waiting_count`: unsent
    notifications."""

    contact: str
    process_kind: str
    hostname: str
    pid: int
    last_seen_at: datetime
    silent_seconds: float
    waiting_count: int


@dataclass(frozen=True, slots=True)
class UnheardAlerts:
    """Critical alerts and emergencies that nobody has acknowledged. No person has been notified of these alerts,
    although a notification waits. `waiting_seconds`: how long the oldest unsent notification of these alerts has
    waited."""

    alert_count: int = 0
    waiting_seconds: float = 0.0


def register(cursor: Cursor[Any], contacts: Sequence[str], process_kind: str) -> None:
    """Register the contacts to which this process has channels. Writes at most once in FRESH_SECONDS for each contact
    and kind of process."""
    parameters = {
        "contacts": list(contacts),
        "process_kind": process_kind,
        "hostname": socket.gethostname(),
        "pid": os.getpid(),
        "fresh_seconds": FRESH_SECONDS,
    }
    cursor.execute(sql("alerting/register_contacts"), parameters)


def read_contacts(cursor: Cursor[Any]) -> list[Contact]:
    return rows_as(cursor.execute(sql("alerting/contacts")), Contact)


def contacts_waited_for(cursor: Cursor[Any], contacts: Sequence[str]) -> list[str]:
    """Returns the given contacts, but only those for which a notification can still be sent."""
    parameters = {"contacts": list(contacts), "tries": NOTIFICATION_TRIES}
    return [row[0] for row in cursor.execute(sql("alerting/waited_for"), parameters).fetchall()]


def read_unheard_alerts(cursor: Cursor[Any]) -> UnheardAlerts:
    parameters = {"log": LOG, "unreached_code": UNREACHED_CODE}
    return the_row_as(cursor.execute(sql("alerting/unheard_alerts"), parameters), UnheardAlerts)


def forget_silent(cursor: Cursor[Any]) -> None:
    """Forget the contacts that no process has registered in the last FORGOTTEN_AFTER_SECONDS seconds."""
    cursor.execute(sql("alerting/forget_silent_contacts"), {"silent_seconds": FORGOTTEN_AFTER_SECONDS})


def forget(cursor: Cursor[Any], contact: str, actor: str) -> bool:
    """Forget the contact, drop the notifications that wait for it, and write a row of the audit log.

    If a process still has a channel to the contact, that process registers the contact again. Returns False if no
    process has registered the contact."""
    row = cursor.execute(sql("alerting/forget_contact"), {"contact": contact, "actor": actor}).fetchone()
    return bool(row and row[0])

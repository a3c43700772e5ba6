"""Rules about the contacts that must be notified of alerts."""

from collections.abc import Iterator

from queue_store.alerting.contacts import Contact
from queue_store.alerting.findings import Finding
from queue_store.plural import plural, word

from ..snapshot import Snapshot
from .register import rule

SILENT_SECONDS = 600.0  # long enough for a cron job that runs `queuectl check` every few minutes


@rule("contact_without_channel")
def contact_without_channel(snapshot: Snapshot) -> Iterator[Finding]:
    """The last process that had a channel to the contact was seen more than SILENT_SECONDS ago. A contact that was
    never set yields no finding."""
    missing = [contact for contact in snapshot.contacts if contact.silent_seconds > SILENT_SECONDS]
    if not missing:
        return
    figure = max(contact.silent_seconds for contact in missing)
    nobody = len(missing) == len(snapshot.contacts)
    yield Finding(
        code="contact_without_channel",
        level="critical" if nobody else "warning",
        message=("Nobody can be notified. " if nobody else "")
        + "No process has had a channel to "
        + "; ".join(_described(contact) for contact in missing)
        + f". That is more than {SILENT_SECONDS / 60:g} minutes.",
        next_step="start that process again, or set "
        + ", ".join(f"CONTACT_{contact.contact.upper()}" for contact in missing)
        + " for the workers of the control queue; if the contact was removed on purpose: "
        + f"queuectl alerts --forget {missing[0].contact}",
        figure=figure,
        threshold=SILENT_SECONDS,
    )


@rule("contact_without_channel")
def nobody_to_notify(snapshot: Snapshot) -> Iterator[Finding]:
    """No contact is set anywhere, and a critical alert or an emergency has been waiting for a contact for more than
    SILENT_SECONDS."""
    unheard = snapshot.unheard
    if snapshot.contacts or not unheard.alert_count or unheard.waiting_seconds <= SILENT_SECONDS:
        return
    yield Finding(
        code="contact_without_channel",
        level="critical",
        message="Nobody can be notified: no process has a channel to any contact. "
        f"{plural(unheard.alert_count, 'grave alert')} {word(unheard.alert_count, 'waits', 'wait')} to be sent, "
        f"the oldest for {unheard.waiting_seconds / 60:.0f} "
        f"minutes, more than {SILENT_SECONDS / 60:g}.",
        next_step="set CONTACT_PRIMARY for the workers of the control queue, or acknowledge the alerts: "
        "queuectl alerts",
        figure=unheard.waiting_seconds,
        threshold=SILENT_SECONDS,
    )


def _described(contact: Contact) -> str:
    return (
        f"{contact.contact} for {contact.silent_seconds / 60:.0f} minutes (the last was the {contact.process_kind} "
        f"with pid {contact.pid} on {contact.hostname}; {plural(contact.waiting_count, 'notification')} "
        f"{word(contact.waiting_count, 'waits', 'wait')})"
    )

"""Rules about the broker, and about the messages in it. Records are processed without it, but more slowly."""

from collections.abc import Iterator

from queue_store.alerting.findings import Finding

from ..snapshot import Snapshot
from .register import rule


@rule("broker_unreachable")
def broker_unreachable(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.broker and not snapshot.broker.is_reachable:
        yield Finding(
            code="broker_unreachable",
            level="warning",
            message="The broker cannot be reached: records are still processed by the workers' own poll, more slowly.",
            next_step="restart Redis or check CELERY_BROKER_URL; no record is lost meanwhile",
        )


@rule("messages_quarantined")
def messages_quarantined(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.broker and (notes := snapshot.broker.quarantine_notes):
        count = sum(note.count for note in notes)
        queues = ", ".join(sorted({note.queue for note in notes}))
        yield Finding(
            code="messages_quarantined",
            level="warning",
            message=f"{count} message(s) of the Celery queue(s) {queues} were quarantined in the last hour: "
            f"{notes[0].why}.",
            next_step="look at them: redis-cli LRANGE processing_queue:quarantine 0 -1, and find out who writes to the "
            "broker",
            figure=count,
            threshold=0,
        )

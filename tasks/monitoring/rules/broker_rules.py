"""Rules about what lies in the broker."""

from collections.abc import Iterator, Sequence

from queue_store.alerting.findings import Finding

from ...celery_hardening.quarantine import Note


def judge_quarantine(notes: Sequence[Note]) -> Iterator[Finding]:
    """`notes`: of the last hour, the newest first."""
    if notes:
        count = sum(note.count for note in notes)
        queues = ", ".join(sorted({note.queue for note in notes}))
        yield Finding(
            "messages_set_aside",
            "warning",
            f"{count} message(s) of the Celery queue(s) {queues} were set aside in the last hour: {notes[0].why}.",
            "look at them: redis-cli LRANGE processing_queue:set_aside 0 -1, and find out who writes to the broker",
            None,
            count,
            0,
        )

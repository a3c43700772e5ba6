"""Rules about what lies in the broker."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from queue_store.alerting.findings import Finding


def judge_set_aside(notes: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """`notes`: of the last hour, the newest first."""
    if notes:
        count = sum(int(note["count"]) for note in notes)
        queues = ", ".join(sorted({str(note["queue"]) for note in notes}))
        yield Finding(
            "messages_set_aside",
            "warning",
            f"{count} message(s) of the Celery queue(s) {queues} were set aside in the last hour: {notes[0]['why']}.",
            "look at them: redis-cli LRANGE processing_queue:set_aside 0 -1, and find out who writes to the broker",
            None,
            count,
            0,
        )

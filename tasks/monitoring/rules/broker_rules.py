"""Rules about the broker and its messages. Without the broker, records are still processed, but more slowly."""

from collections.abc import Iterator

from queue_store.alerting.findings import Finding
from queue_store.plural import plural, word

from ...celery_hardening.quarantine import notes_key
from ..snapshot import Snapshot
from .register import rule

# The codes of the findings about the broker. Two processes may judge them differently, because each process sees the
# broker over its own network.
BROKER_CODES = frozenset({"broker_unreachable", "broker_refuses", "messages_quarantined", "control_queue"})
# An error reply begins with a code. NEXT_STEPS holds the next step for each code.
NEXT_STEPS = {
    "READONLY": "it is a replica now: point CELERY_BROKER_URL to the primary, or make this one primary (REPLICAOF NO "
    "ONE)",
    "MASTERDOWN": "it is a replica without its primary: point CELERY_BROKER_URL to the primary",
    "NOREPLICAS": "bring back its replicas, or lower min-replicas-to-write",
    "MISCONF": "it cannot write its snapshot: look at its disk and its log",
    "OOM": "see what fills it (redis-cli --bigkeys), or raise maxmemory",
    "LOADING": "wait until it has loaded its data; hints need no persistence",
    "CLUSTERDOWN": "repair the cluster, or use a single server: Celery serves no Redis cluster",
    "NOAUTH": "check the password in CELERY_BROKER_URL",
    "NOPERM": "give its user the rights that the reply names",
}


@rule("broker_unreachable")
def broker_unreachable(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.broker and not snapshot.broker.is_reachable:
        yield Finding(
            code="broker_unreachable",
            level="warning",
            message="The broker cannot be reached: workers still find records by polling, but more slowly.",
            next_step="restart Redis or check CELERY_BROKER_URL; no record is lost",
        )


@rule("broker_refuses")
def broker_refuses(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.broker and (reply := snapshot.broker.error_reply):
        yield Finding(
            code="broker_refuses",
            level="warning",
            message=f"The broker answers with an error: {reply.rstrip('.')}. Workers still find records by "
            "polling, but more slowly.",
            next_step=NEXT_STEPS.get(reply.partition(" ")[0], "read the broker's log")
            + "; no record is lost",
        )


@rule("messages_quarantined")
def messages_quarantined(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.broker and (notes := snapshot.broker.quarantine_notes):
        count = sum(note.count for note in notes)
        names = sorted({note.queue for note in notes})
        queues = ", ".join(names)
        yield Finding(
            code="messages_quarantined",
            level="warning",
            message=f"{plural(count, 'message')} of the Celery {word(len(names), 'queue', 'queues')} {queues} "
            f"{word(count, 'was', 'were')} quarantined in the last hour: "
            f"{notes[0].why}.",
            next_step=f"look at them: redis-cli LRANGE {notes_key()} 0 -1, and find out who writes to the broker",
            figure=count,
            threshold=0,
        )

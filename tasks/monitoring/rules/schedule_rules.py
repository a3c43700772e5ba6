"""Rules about beat and the schedule. Without beat, records are still processed, but there is no maintenance."""

from collections.abc import Iterator

from queue_store.alerting.findings import Finding
from queue_store.enqueueing.hints import MAXIMUM_QUEUE_LENGTH
from queue_store.plural import plural
from queue_store.queue_schema import celery_queue_name
from queue_store.readings.schedule import BEAT_SILENT_SECONDS

from ..snapshot import Snapshot
from .register import rule

BEAT_RESTART_SECONDS = 60.0  # A deploy restarts beat.
CONTROL_RESTART_SECONDS = 60.0  # A deploy also restarts the worker of the control queue.


@rule("beat_silent")
def beat_silent(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.schedule is None:
        return
    silent_seconds = snapshot.schedule.beat_silent_seconds
    has_stopped = snapshot.schedule.beat_has_stopped
    first_worker_seconds = snapshot.schedule.first_worker_seconds
    if (
        silent_seconds is None
        and first_worker_seconds is not None
        and first_worker_seconds < BEAT_RESTART_SECONDS
    ):
        return  # during the first deploy, beat may still be starting
    limit = BEAT_RESTART_SECONDS if has_stopped else BEAT_SILENT_SECONDS
    if silent_seconds is None or silent_seconds > limit:
        if silent_seconds is None:
            since = "has never run"
        elif has_stopped:
            since = f"was stopped {silent_seconds:.0f} s ago and was not started again"
        else:
            since = f"has been silent for {silent_seconds:.0f} s"
        yield Finding(
            code="beat_silent",
            level="warning",
            message=f"Celery beat {since}: scheduled maintenance does not happen.",
            next_step="start `celery -A processing_queue beat`; a second one takes over if the first one ends",
            figure=silent_seconds,
            threshold=limit,
        )


@rule("control_queue")
def control_queue(snapshot: Snapshot) -> Iterator[Finding]:
    """No worker takes the messages that beat sends to the control queue, or workers take these messages too slowly. If
    no beat runs, `beat_silent` reports the missing beat."""
    unserved_seconds = snapshot.schedule.control_unserved_seconds if snapshot.schedule else None
    messages = (snapshot.broker and snapshot.broker.control_messages) or 0
    queue = celery_queue_name("control")
    if unserved_seconds is not None and unserved_seconds > CONTROL_RESTART_SECONDS:
        wait = f"; {messages} messages wait in it" if messages else ""
        yield Finding(
            code="control_queue",
            level="warning",
            message=f"No worker has served the Celery queue {queue} for {unserved_seconds:.0f} s: hints, alerts and "
            f"scheduled maintenance wait{wait}.",
            next_step="start its worker: celery -A processing_queue worker -Q control --concurrency=1",
            figure=unserved_seconds,
            threshold=CONTROL_RESTART_SECONDS,
        )
    elif messages >= MAXIMUM_QUEUE_LENGTH:
        yield Finding(
            code="control_queue",
            level="warning",
            message=f"{messages} messages wait in the Celery queue {queue}: its workers do not keep up.",
            next_step="see what they are busy with, and whether they hang: queuectl maintenance --history; you may "
            "also start more workers",
            figure=messages,
            threshold=MAXIMUM_QUEUE_LENGTH,
        )


@rule("maintenance_late")
def maintenance_late(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.schedule and (late := snapshot.schedule.late_entries):
        yield Finding(
            code="maintenance_late",
            level="warning",
            message=f"Scheduled maintenance is due and was not done: {', '.join(sorted(set(late)))}.",
            next_step="see whether the worker of the control queue is alive; if not, start it: "
            "celery -A processing_queue worker -Q control",
            figure=len(late),
            threshold=0,
        )


@rule("maintenance_failed")
def maintenance_failed(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.schedule and (failed := snapshot.schedule.failed_entries):
        yield Finding(
            code="maintenance_failed",
            level="warning",
            message=f"The last occurrence of these schedule entries failed: {', '.join(failed)}.",
            next_step="read its error: queuectl maintenance --history",
            figure=len(failed),
            threshold=0,
        )


@rule("counts_corrected")
def counts_corrected(snapshot: Snapshot) -> Iterator[Finding]:
    """The finding stays until a nightly review has nothing to correct."""
    if snapshot.schedule and (corrected := snapshot.schedule.corrected_flows):
        names = ", ".join(corrected[:5])
        yield Finding(
            code="counts_corrected",
            level="warning",
            message=f"The last nightly review had to correct the counts of {plural(len(corrected), 'flow')}: {names}.",
            next_step="find out who changes statuses without queuectl; how wrong the counts were: SELECT result FROM "
            "maintenance_runs WHERE operation = 'nightly_review' ORDER BY id DESC LIMIT 1",
            figure=len(corrected),
            threshold=0,
        )

"""Rules about beat, the broker and the schedule. Work goes on without them, maintenance and short waits do not."""

from collections.abc import Iterator

from queue_store.alerting.findings import Finding
from queue_store.readings.schedule import ScheduleReading

BEAT_SILENT_SECONDS = 20.0  # reported within a minute, with the pause of the watch


def judge_schedule(schedule: ScheduleReading, *, broker_is_reachable: bool) -> Iterator[Finding]:
    yield from _beat(schedule)
    yield from _entries(schedule)
    yield from _corrections(schedule)
    if not broker_is_reachable:
        yield Finding(
            "broker_unreachable",
            "warning",
            "The broker cannot be reached: records are still processed by the workers' own poll, more slowly.",
            "restart Redis or check CELERY_BROKER_URL; no record is lost meanwhile",
        )


def _beat(schedule: ScheduleReading) -> Iterator[Finding]:
    silent_seconds = schedule.beat_silent_seconds
    if silent_seconds is None or silent_seconds > BEAT_SILENT_SECONDS:
        since = "has never run" if silent_seconds is None else f"is silent for {silent_seconds:.0f} s"
        yield Finding(
            "beat_silent",
            "warning",
            f"Celery beat {since}: scheduled maintenance does not happen.",
            "start `celery -A processing_queue beat`, twice if one is not enough",
            None,
            silent_seconds,
            BEAT_SILENT_SECONDS,
        )


def _entries(schedule: ScheduleReading) -> Iterator[Finding]:
    if schedule.late_entries:
        names = ", ".join(sorted(set(schedule.late_entries)))
        yield Finding(
            "maintenance_late",
            "warning",
            f"Scheduled maintenance is due and was not done: {names}.",
            "see whether the worker of the control queue is alive: celery -A processing_queue worker -Q control",
            None,
            len(schedule.late_entries),
            0,
        )
    if schedule.failed_entries:
        yield Finding(
            "maintenance_failed",
            "warning",
            f"The last scheduled run failed: {', '.join(schedule.failed_entries)}.",
            "read its error: queuectl maintenance --history",
            None,
            len(schedule.failed_entries),
            0,
        )


def _corrections(schedule: ScheduleReading) -> Iterator[Finding]:
    """Until a review finds nothing."""
    if schedule.corrected_flows:
        names = ", ".join(schedule.corrected_flows[:5])
        yield Finding(
            "counts_corrected",
            "warning",
            f"The last nightly review had to correct the counts of {len(schedule.corrected_flows)} flow(s): {names}.",
            "find out who changes statuses past queuectl; by how much they were wrong: SELECT result FROM "
            "maintenance_runs WHERE operation = 'nightly_review' ORDER BY id DESC LIMIT 1",
            None,
            len(schedule.corrected_flows),
            0,
        )

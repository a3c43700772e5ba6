"""The state of the schedule: whether a beat runs, and which entries are late or have failed."""

from dataclasses import dataclass
from typing import Any

from psycopg import Cursor

from queue_store.database.index_plans import index_plans
from queue_store.database.rows import the_row_as
from queue_store.database.statements import sql
from queue_store.queue_schema import celery_queue_name

LATE_SECONDS = 600.0
BEAT_SILENT_SECONDS = 20.0  # with the sentinel's pause added, silence is reported within a minute


@dataclass(frozen=True, slots=True)
class ScheduleReading:
    """`beat_silent_seconds`: how long ago a beat last sent a heartbeat; None if no beat has run yet.
    `first_worker_seconds`: how long ago the first known worker process started; None if no worker process is known.
    `beat_has_stopped`: the last beat shut down cleanly. `control_unserved_seconds`: how long the Celery queue `control`
    has had no worker process; None if no beat runs. This duration leaves out the time before the first running beat
    started."""

    beat_silent_seconds: float | None
    first_worker_seconds: float | None
    beat_has_stopped: bool
    control_unserved_seconds: float | None
    late_entries: list[str]
    failed_entries: list[str]
    corrected_flows: list[str]


def read_schedule(cursor: Cursor[Any]) -> ScheduleReading:
    parameters = {
        "late_seconds": LATE_SECONDS,
        "silent_seconds": BEAT_SILENT_SECONDS,
        "control_queue": celery_queue_name("control"),
    }
    with index_plans(cursor):
        return the_row_as(cursor.execute(sql("readings/schedule"), parameters), ScheduleReading)

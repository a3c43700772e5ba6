"""The task that beat sends for an occurrence. This task takes the occurrence, calls the entry's task, and stores how
the call ended."""

import logging
from datetime import datetime
from typing import Any

from queue_store.beating import beating
from queue_store.errors import AlreadyRunningError
from queue_store.redaction import redact
from queue_store.schedule import occurrences

from ..app import app, waking_task
from ..celery_hardening.authority import for_an_occurrence
from ..monitoring.databases import database_named

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10.0
ERROR_LENGTH = 2_000


@waking_task("processing_queue.run_occurrence", old_name="tasks.schedule.run_occurrence")
def run_occurrence(entry: str, due_at: str) -> str | None:
    """Idempotent: does nothing for an occurrence that is already taken or has ended. If the schedule of this process
    lacks the entry, the occurrence is left to other workers. Returns the state of the occurrence, or None if nothing
    was done."""
    schedule_entry = app.conf.beat_schedule.get(entry) if isinstance(entry, str) else None
    if schedule_entry is None:
        logger.warning("the schedule has no entry %s any more", ascii(entry)[:80])
        return None
    due = _instant(due_at)
    if due is None:
        logger.warning(
            "the hint for %s names %s, which is not an instant with a time zone", entry, ascii(due_at)[:80]
        )
        return None
    database = database_named()
    taken = occurrences.take(database, entry, due)
    if taken is None:
        return None
    with beating(
        database, lambda cursor: occurrences.beat(cursor, taken), HEARTBEAT_SECONDS, "occurrence", entry
    ):
        problem, must_wait = _call(schedule_entry)
    with database.transaction() as cursor:
        state = occurrences.finish(cursor, taken, problem, excused=must_wait)
    logger.log(
        logging.WARNING if problem else logging.INFO, "%s of %s: %s", entry, due.isoformat(), problem or state
    )
    return state


def _instant(text: object) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return instant if instant is not None and instant.tzinfo is not None else None


def _call(schedule_entry: dict[str, Any]) -> tuple[str | None, bool]:
    """Calls the entry's task. The first returned value is None, or a text that says what went wrong. The second value
    is true if the same maintenance was already running."""
    try:
        with for_an_occurrence():
            app.tasks[schedule_entry["task"]](
                *schedule_entry.get("args", ()), **schedule_entry.get("kwargs", {})
            )
    except Exception as error:  # noqa: BLE001  (any error is stored, and the task is tried again)
        problem = redact(f"{type(error).__name__}: {error}", ERROR_LENGTH)
        return problem, isinstance(error, AlreadyRunningError)
    return None, False

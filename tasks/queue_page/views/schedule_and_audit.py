"""The schedule, and the audit of who did what."""

from datetime import UTC, datetime, timedelta
from typing import Any

from queue_store.readings.schedule_and_audit import (
    BeatRow,
    ScheduleRow,
    read_audit,
    read_beats,
    read_newest_occurrences,
)

from .request import ViewRequest


def schedule(request: ViewRequest) -> dict[str, Any]:
    """Returns every entry of beat's schedule, and every former entry with an occurrence. Each row shows the newest
    occurrence in Postgres, when an occurrence last finished, and when the entry is due next. For an entry without
    occurrences, the row shows when a hint was last sent."""
    newest = {row.entry: row for row in read_newest_occurrences(request.cursor)}
    beats = read_beats(request.cursor)
    entries = request.celery_app.conf.beat_schedule
    names = sorted({*entries, *newest})
    return {
        "entries": [_entry(name, entries.get(name), newest.get(name), beats) for name in names],
        "beats": beats,
    }


def _entry(name: str, entry: Any, newest: ScheduleRow | None, beats: list[BeatRow]) -> dict[str, Any]:
    ticks = [datetime.fromisoformat(beat.ticks[name]) for beat in beats if name in beat.ticks]
    last_tick_at = max(ticks, default=None)
    return {
        "entry": name,
        "task": entry["task"] if entry else None,
        "when": _when(entry["schedule"]) if entry else "not in the schedule any more",
        "newest": newest,
        "last_at": newest.last_finished_at if newest else last_tick_at,
        "next_at": _next(entry["schedule"], last_tick_at) if entry else None,
    }


def audit(request: ViewRequest) -> dict[str, Any]:
    before_id = request.arguments.whole("before_id", 1)
    return {"entries": read_audit(request.cursor, before_id) if before_id else read_audit(request.cursor)}


def _when(schedule: Any) -> str:
    seconds = _seconds(schedule)
    if seconds is not None:
        return f"every {seconds:g} s"
    parts = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    return " ".join(str(getattr(schedule, f"_orig_{part}", "*")) for part in parts)


def _next(schedule: Any, last_tick_at: datetime | None) -> datetime | None:
    """Returns the time at which the entry is due next. An entry with a plain interval is due one interval after its
    last hint. Before the first hint, returns None for such an entry."""
    seconds = _seconds(schedule)
    if seconds is not None:
        return last_tick_at and last_tick_at + timedelta(seconds=seconds)
    now = schedule.now()
    return (now + schedule.remaining_estimate(now)).astimezone(UTC)


def _seconds(schedule: Any) -> float | None:
    if isinstance(schedule, int | float):
        return float(schedule)
    run_every = getattr(schedule, "run_every", None)
    return None if run_every is None else run_every.total_seconds()

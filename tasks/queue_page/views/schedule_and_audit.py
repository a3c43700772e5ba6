"""The schedule, and the audit of who did what."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from celery.schedules import crontab, maybe_schedule

from queue_store.readings.schedule_and_audit import (
    BeatRow,
    ScheduleRow,
    read_audit,
    read_beats,
    read_database_time,
    read_flow_schedules,
    read_newest_occurrences,
)

from ...authoring.declared_schedule import crontab_fields, schedule_from_json
from ...schedule.due_time import is_kept, next_due
from .request import ViewRequest


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of beat, or the entry of a recurring flow. `schedule` is None if only its text `when` is known.
    `timezone` is None for a plain interval, which is due one interval after beat's last hint."""

    task: str | None
    when: str
    schedule: Any
    timezone: ZoneInfo | None


def schedule(request: ViewRequest) -> dict[str, Any]:
    """Returns every entry of beat's schedule, every flow that has a schedule, and every former entry with an
    occurrence. Each row shows the newest occurrence in Postgres, when an occurrence last finished, and when the entry
    is due next. For an entry without occurrences, the row shows when a hint was last sent."""
    newest = {row.entry: row for row in read_newest_occurrences(request.cursor)}
    beats = read_beats(request.cursor)
    entries = _entries_of_beat(request.celery_app) | _entries_of_flows(request)
    now = read_database_time(request.cursor)
    names = sorted({*entries, *newest})
    return {
        "entries": [_row(name, entries.get(name), newest.get(name), beats, now) for name in names],
        "beats": beats,
    }


def _entries_of_beat(celery_app: Any) -> dict[str, _Entry]:
    timezone = ZoneInfo(celery_app.conf.timezone or "UTC")
    found: dict[str, _Entry] = {}
    for name, entry in celery_app.conf.beat_schedule.items():
        its_schedule = maybe_schedule(entry["schedule"], entry.get("relative", False), app=celery_app)
        kept_in = timezone if is_kept(its_schedule) else None
        found[name] = _Entry(entry["task"], _when(its_schedule), its_schedule, kept_in)
    return found


def _entries_of_flows(request: ViewRequest) -> dict[str, _Entry]:
    timezone = ZoneInfo(request.settings.timezone)
    found: dict[str, _Entry] = {}
    for flow in read_flow_schedules(request.cursor):
        its_schedule = schedule_from_json(flow.fields) if flow.fields else None
        when = _when(its_schedule) if its_schedule else flow.schedule
        found[flow.entry] = _Entry(None, when, its_schedule, timezone)
    return found


def _row(
    name: str, entry: _Entry | None, newest: ScheduleRow | None, beats: list[BeatRow], now: datetime
) -> dict[str, Any]:
    ticks = [datetime.fromisoformat(beat.ticks[name]) for beat in beats if name in beat.ticks]
    last_tick_at = max(ticks, default=None)
    return {
        "entry": name,
        "task": entry.task if entry else None,
        "when": entry.when if entry else "not in the schedule any more",
        "newest": newest,
        "last_at": newest.last_finished_at if newest else last_tick_at,
        "next_at": _next(entry, now, last_tick_at) if entry else None,
    }


def audit(request: ViewRequest) -> dict[str, Any]:
    before_id = request.arguments.whole("before_id", 1)
    return {"entries": read_audit(request.cursor, before_id) if before_id else read_audit(request.cursor)}


def _when(its_schedule: Any) -> str:
    if isinstance(its_schedule, crontab):
        return " ".join(crontab_fields(its_schedule).values())
    run_every = getattr(its_schedule, "run_every", None)
    return str(its_schedule) if run_every is None else f"every {run_every.total_seconds():g} s"


def _next(entry: _Entry, now: datetime, last_tick_at: datetime | None) -> datetime | None:
    """Returns the time at which the entry is due next. An entry with a plain interval is due one interval after its
    last hint. If such an entry has had no hint yet, returns None."""
    if entry.schedule is None:
        return None
    if entry.timezone is not None:
        return next_due(entry.schedule, now, entry.timezone)
    if hasattr(entry.schedule, "run_every"):
        return last_tick_at and last_tick_at + entry.schedule.run_every
    local = entry.schedule.now()  # a schedule of another kind, such as Celery's `solar`
    return (local + entry.schedule.remaining_estimate(local)).astimezone(UTC)

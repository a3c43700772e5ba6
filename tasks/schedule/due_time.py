"""Calculates when an entry was due last, and when it is due next.

When the clocks are put back, one hour occurs twice. A crontab that names its hours is due only in the first of these
two hours. A crontab with `*` or `*/n` hours stands for an interval, so it is due in both hours. When the clocks are put
forward, some times are skipped. If an entry's due time is skipped, the entry is due later, by as much as the clocks are
put forward.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from celery.schedules import crontab, schedule

SEARCHED_DAYS = 4 * 366  # long enough to find a 29th of February


def is_kept(entry_schedule: Any) -> bool:
    """Whether the due times of an entry are stored as occurrences. They are stored for a crontab, and for an interval
    with `relative`. For a plain interval, beat only sends hints."""
    return isinstance(entry_schedule, crontab) or bool(getattr(entry_schedule, "relative", False))


def latest_due(entry_schedule: schedule | crontab, now: datetime, timezone: ZoneInfo) -> datetime | None:
    """Returns the latest due time at or before `now`. None if there was no due time in the last four years."""
    if isinstance(entry_schedule, crontab):
        return _latest_of_crontab(entry_schedule, now, timezone)
    seconds = entry_schedule.run_every.total_seconds()
    return datetime.fromtimestamp(now.timestamp() // seconds * seconds, UTC)


def next_due(entry_schedule: schedule | crontab, now: datetime, timezone: ZoneInfo) -> datetime | None:
    """Returns the first due time after `now`. None if there is no due time in the next four years."""
    if not isinstance(entry_schedule, crontab):
        seconds = entry_schedule.run_every.total_seconds()
        return datetime.fromtimestamp((now.timestamp() // seconds + 1) * seconds, UTC)
    today = now.astimezone(timezone).date()
    for days in range(SEARCHED_DAYS):
        day = today + timedelta(days=days)
        if _is_on(entry_schedule, day):
            times = _instants(entry_schedule, day, timezone)
            first = min((instant for instant in times if instant > now), default=None)
            if first is not None:
                return first
    return None


def _latest_of_crontab(table: crontab, now: datetime, timezone: ZoneInfo) -> datetime | None:
    today = now.astimezone(timezone).date()
    for days in range(SEARCHED_DAYS):
        day = today - timedelta(days=days)
        if _is_on(table, day):
            times = _instants(table, day, timezone)
            latest = max((instant for instant in times if instant <= now), default=None)
            if latest is not None:
                return latest
    return None


def _is_on(table: crontab, day: date) -> bool:
    return (
        day.month in table.month_of_year
        and day.day in table.day_of_month
        and day.isoweekday() % 7 in table.day_of_week
    )


def _instants(table: crontab, day: date, timezone: ZoneInfo) -> Iterator[datetime]:
    """Yields the due times on this day, in no particular order. Some due times are yielded more than once."""
    twice = _means_elapsed_time(table) and _has_change_of_clocks(day, timezone)
    for hour in table.hour:
        for minute in table.minute:
            local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=timezone)
            yield local.astimezone(UTC)
            if twice:
                second = local.replace(fold=1).astimezone(UTC)
                # A local time that the clocks skip has no second instant: fold=1 would give an earlier one.
                if second.astimezone(timezone).replace(tzinfo=None, fold=0) == local.replace(tzinfo=None):
                    yield second


def _means_elapsed_time(table: crontab) -> bool:
    """Whether the hours of the crontab are `*` or `*/n`, or name all 24 hours."""
    hours = str(getattr(table, "_orig_hour", ""))
    return len(table.hour) == 24 or any(part.strip().startswith("*") for part in hours.split(","))


def _has_change_of_clocks(day: date, timezone: ZoneInfo) -> bool:
    midnight = datetime(day.year, day.month, day.day, tzinfo=timezone)
    return midnight.utcoffset() != (midnight + timedelta(days=1)).replace(fold=1).utcoffset()

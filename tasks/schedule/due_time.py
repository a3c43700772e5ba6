"""When was an entry due last?"""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from celery.schedules import crontab, schedule

SEARCHED_DAYS = 4 * 366  # a 29th of February is found


def is_kept(entry_schedule: Any) -> bool:
    """Times of the clock are kept as occurrences: a crontab, or an interval with `relative`. A plain interval only
    hints."""
    return isinstance(entry_schedule, crontab) or bool(getattr(entry_schedule, "relative", False))


def latest_due(entry_schedule: schedule | crontab, now: datetime, timezone: ZoneInfo) -> datetime | None:
    """The latest time at or before `now`; None when there was none in four years."""
    if isinstance(entry_schedule, crontab):
        return _latest_of_crontab(entry_schedule, now, timezone)
    seconds = entry_schedule.run_every.total_seconds()
    return datetime.fromtimestamp(now.timestamp() // seconds * seconds, UTC)


def next_due(entry_schedule: schedule | crontab, now: datetime, timezone: ZoneInfo) -> datetime | None:
    """The first time after `now`; None when there is none in four years."""
    if not isinstance(entry_schedule, crontab):
        seconds = entry_schedule.run_every.total_seconds()
        return datetime.fromtimestamp((now.timestamp() // seconds + 1) * seconds, UTC)
    today = now.astimezone(timezone).date()
    for days in range(SEARCHED_DAYS):
        day = today + timedelta(days=days)
        if _is_on(entry_schedule, day):
            times = (
                _instant(day, h, m, timezone) for h in entry_schedule.hour for m in entry_schedule.minute
            )
            first = min((instant for instant in times if instant > now), default=None)
            if first is not None:
                return first
    return None


def _latest_of_crontab(table: crontab, now: datetime, timezone: ZoneInfo) -> datetime | None:
    today = now.astimezone(timezone).date()
    for days in range(SEARCHED_DAYS):
        day = today - timedelta(days=days)
        if _is_on(table, day):
            times = (_instant(day, h, m, timezone) for h in table.hour for m in table.minute)
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


def _instant(day: date, hour: int, minute: int, timezone: ZoneInfo) -> datetime:
    """Local time as an instant. An hour that the clocks skip is the one after it; of two, it is the first."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=timezone).astimezone(UTC)

"""The last due time of an entry: in its time zone, when the clocks change, and on the first Sunday of a month."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import crontab, schedule

import celeryconfig
from tasks.schedule.due_time import is_kept, latest_due, next_due

BERLIN = ZoneInfo("Europe/Berlin")
FIRST_SUNDAY = crontab(minute="0", hour="3", day_of_week="sunday", day_of_month="1-7")
CASES = [
    (crontab(minute="*/15"), "2026-11-23 18:44:59", "2026-11-23 18:30"),
    (crontab(minute="*/15"), "2026-11-23 18:45:00", "2026-11-23 18:45"),
    (crontab(minute="0", hour="*/4"), "2026-11-23 03:59:00", "2026-11-23 00:00"),
    (crontab(minute="0", hour="6"), "2026-11-23 05:59:00", "2026-11-22 06:00"),
    (crontab(minute="0", hour="2", day_of_week="sunday"), "2026-11-23 12:00:00", "2026-11-22 02:00"),
    (crontab(minute="0", hour="8", day_of_week="monday"), "2026-11-23 07:59:00", "2026-11-16 08:00"),
    (FIRST_SUNDAY, "2026-11-23 12:00:00", "2026-11-01 03:00"),
    (FIRST_SUNDAY, "2026-11-01 02:59:00", "2026-10-04 03:00"),
    (
        crontab(minute="0", hour="0", day_of_month="29", month_of_year="2"),
        "2026-01-01 00:00:00",
        "2024-02-29 00:00",
    ),
]


@pytest.mark.parametrize(("table", "now", "due"), CASES)
def test_the_latest_time_of_a_crontab(table: crontab, now: str, due: str) -> None:
    assert latest_due(table, at(now), ZoneInfo("UTC")) == at(due)


def test_local_time_over_the_change_of_the_clocks() -> None:
    daily = crontab(minute="0", hour="6")
    assert latest_due(daily, at("2026-10-24 12:00"), BERLIN) == at("2026-10-24 04:00")
    assert latest_due(daily, at("2026-10-25 12:00"), BERLIN) == at("2026-10-25 05:00")


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_an_hour_that_is_skipped_or_comes_twice_is_due_once(day: str) -> None:
    table = crontab(minute="30", hour="2")
    times = {
        latest_due(table, at(f"{day} 00:00") + timedelta(minutes=m), BERLIN) for m in range(0, 24 * 60, 10)
    }
    assert len(times) == 2  # yesterday's and today's


@pytest.mark.parametrize(
    ("zone", "evening", "table", "seconds"),
    [
        ("Europe/Berlin", "2026-10-24 18:00", crontab(minute="0"), 3600),
        ("Europe/Berlin", "2026-10-24 18:00", crontab(minute="*/15"), 900),
        ("Europe/Berlin", "2026-10-24 18:00", crontab(minute="0", hour="*/2"), 7200),
        ("America/Los_Angeles", "2026-10-31 22:00", crontab(minute="0"), 3600),
        ("America/Los_Angeles", "2026-10-31 22:00", crontab(minute="*/15"), 900),
        ("Australia/Lord_Howe", "2026-04-04 06:00", crontab(minute="*/15"), 900),
    ],
)
def test_every_hour_is_due_in_both_passes_of_the_hour_that_comes_twice(
    zone: str, evening: str, table: crontab, seconds: int
) -> None:
    seen = [
        latest_due(table, at(evening) + timedelta(minutes=m), ZoneInfo(zone)) for m in range(0, 20 * 60, 5)
    ]
    times = sorted({due for due in seen if due is not None})
    assert max(b - a for a, b in pairwise(times)).total_seconds() <= seconds
    for before, after in pairwise(times):
        assert next_due(table, before, ZoneInfo(zone)) == after


def test_an_interval_is_kept_when_it_is_relative() -> None:
    every_minute = schedule(60.0, relative=True)
    assert latest_due(every_minute, at("2026-11-23 18:44:59"), BERLIN) == at("2026-11-23 18:44")
    assert is_kept(every_minute)
    assert not is_kept(schedule(60.0))


def test_the_schedule_is_the_runbooks_table() -> None:
    kept = {
        name: str(entry["schedule"]).split()[1:6]
        for name, entry in celeryconfig.beat_schedule.items()
        if is_kept(entry["schedule"])
    }
    assert kept == {
        "queue_health": ["*/15", "*", "*", "*", "*"],
        "orphan_cleanup": ["0", "*/4", "*", "*", "*"],
        "nightly_review": ["30", "1", "*", "*", "*"],
        "performance_review": ["0", "6", "*", "*", "*"],
        "daily_report": ["15", "6", "*", "*", "*"],
        "failed_records_reset": ["0", "2", "*", "*", "sunday"],
        "database_review": ["0", "8", "*", "*", "monday"],
        "retention": ["0", "3", "1-7", "*", "sunday"],
    }


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)

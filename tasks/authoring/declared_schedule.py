"""A flow's schedule as JSON, as workers store it with the flow. So a process that does not import the flow's module,
such as Flower, can calculate the flow's due times."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from celery.schedules import crontab, schedule as interval

CRONTAB_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")


def schedule_as_json(entry_schedule: crontab | interval | None) -> dict[str, Any] | None:
    if entry_schedule is None:
        return None
    if isinstance(entry_schedule, crontab):
        return crontab_fields(entry_schedule)
    return {"run_every": entry_schedule.run_every.total_seconds()}


def schedule_from_json(stored: Mapping[str, Any]) -> crontab | interval:
    if "run_every" in stored:
        return interval(timedelta(seconds=stored["run_every"]))
    return crontab(
        **{field: stored[field] for field in CRONTAB_FIELDS}
    )  # a later release may store more fields


def crontab_fields(table: crontab) -> dict[str, str]:
    """The fields of the crontab as its author wrote them. A field that is a collection becomes a list with commas."""
    written = {field: getattr(table, f"_orig_{field}") for field in CRONTAB_FIELDS}
    return {
        field: str(value)
        if isinstance(value, str | int)
        else ",".join(map(str, sorted(getattr(table, field))))
        for field, value in written.items()
    }

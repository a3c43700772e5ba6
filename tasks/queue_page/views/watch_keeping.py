"""Alerts, the schedule, and who did what."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from queue_store.alerts import read_alerts
from queue_store.readings.watch_keeping import read_audit, read_beats, read_newest_occurrences

if TYPE_CHECKING:
    from tasks.queue_page.views import Look

DAY_SECONDS = 86_400.0


def alerts(look: "Look") -> dict[str, Any]:
    found = read_alerts(look.cursor, DAY_SECONDS)
    return {
        "live": [alert for alert in found if alert.resolved_at is None],
        "resolved": [alert for alert in found if alert.resolved_at is not None],
    }


def schedule(look: "Look") -> dict[str, Any]:
    """Every entry that beat has, with its newest occurrence where Postgres keeps them, and when it is next due."""
    newest = {row.entry: row for row in read_newest_occurrences(look.cursor)}
    entries = look.celery_app.conf.beat_schedule
    return {
        "entries": [
            {
                "entry": name,
                "task": entries[name]["task"] if name in entries else None,
                "when": _when(entries[name]["schedule"])
                if name in entries
                else "not in the schedule any more",
                "next_at": _next(entries[name]["schedule"]) if name in entries else None,
                "newest": newest.get(name),
            }
            for name in sorted({*entries, *newest})
        ],
        "beats": read_beats(look.cursor),
    }


def audit(look: "Look") -> dict[str, Any]:
    before_id = look.arguments.whole("before_id", 1)
    return {"entries": read_audit(look.cursor, before_id) if before_id else read_audit(look.cursor)}


def _when(schedule: Any) -> str:
    seconds = _seconds(schedule)
    if seconds is not None:
        return f"every {seconds:g} s"
    parts = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    return " ".join(str(getattr(schedule, f"_orig_{part}", "*")) for part in parts)


def _next(schedule: Any) -> datetime | None:
    """Of a crontab; what comes every few seconds has no instant worth showing."""
    if _seconds(schedule) is not None:
        return None
    now = schedule.now()
    return (now + schedule.remaining_estimate(now)).astimezone(UTC)


def _seconds(schedule: Any) -> float | None:
    if isinstance(schedule, int | float):
        return float(schedule)
    run_every = getattr(schedule, "run_every", None)
    return None if run_every is None else run_every.total_seconds()

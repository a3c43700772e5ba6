"""A Celery application for tests of beat: `celery -A tests.support.accelerated_schedule beat`.

Its schedule has one entry, which is due every half second. If ACCELERATED_FROM names an instant, in seconds since 1970,
the schedule has crontabs instead. From that instant on, each hour of these crontabs takes a minute.
"""

import os
from datetime import datetime, timedelta
from typing import Any

from celery.schedules import crontab

from tasks.app import app
from tasks.monitoring.databases import database_named
from tasks.schedule import scheduler
from tasks.schedule.due_time import latest_due

PERIOD_SECONDS = 0.5
FACTOR = 60.0


@app.task(name="tests.leave_a_trace")
def leave_a_trace(entry: str = "tick") -> None:
    with database_named().transaction() as cursor:
        cursor.execute(
            "INSERT INTO audit_log (actor, action, target, affected_count) VALUES ('test', 'tick', %s, 1)",
            (entry,),
        )


def accelerated(entry_schedule: Any, now: datetime, timezone: Any) -> datetime | None:
    began = datetime.fromtimestamp(float(os.environ["ACCELERATED_FROM"]), now.tzinfo)
    return latest_due(
        entry_schedule, began + timedelta(seconds=(now - began).total_seconds() * FACTOR), timezone
    )


def _entry(name: str, schedule: Any, **options: Any) -> dict[str, Any]:
    return {"task": "tests.leave_a_trace", "schedule": schedule, "kwargs": {"entry": name}, **options}


app.conf.beat_schedule = {"tick": _entry("tick", PERIOD_SECONDS, relative=True)}
if "ACCELERATED_FROM" in os.environ:
    scheduler.latest_due = accelerated
    app.conf.beat_schedule = {
        "every_minute": _entry("every_minute", crontab()),
        "every_five_minutes": _entry("every_five_minutes", crontab(minute="*/5")),
        "hourly": _entry("hourly", crontab(minute="0")),
    }

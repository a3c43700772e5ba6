"""An application whose quarter of an hour takes half a second: `celery -A tests.accelerated_schedule beat`."""

from tasks.app import app
from tasks.monitoring.databases import database_named

PERIOD_SECONDS = 0.5


@app.task(name="tests.leave_a_trace")
def leave_a_trace() -> None:
    with database_named().transaction() as cursor:
        cursor.execute(
            "INSERT INTO audit_log (actor, action, target, affected_count) VALUES ('test', 'tick', 'tick', 1)"
        )


app.conf.beat_schedule = {
    "tick": {"task": "tests.leave_a_trace", "schedule": PERIOD_SECONDS, "relative": True},
}

"""If a task of the queue itself uses too much memory, its process is replaced after the task, not during it."""

from datetime import UTC, datetime
from pathlib import Path

from celery import Celery

from tests.workers.conftest import Queue
from tests.workers.processes import running_worker, wait_until

DUE_AT = datetime(2026, 11, 1, 3, tzinfo=UTC)


def test_maintenance_that_fills_the_memory_is_finished_in_its_first_try(
    queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    settings = {
        "MAX_MEMORY_MB": "300", "HEARTBEAT_SECONDS": "0.2", "FLOW_MODULES": "tests.workers.flows_with_full_memory",
    }  # fmt: skip
    with queue.database.transaction() as cursor:
        cursor.execute("INSERT INTO schedule_occurrences (entry, due_at) VALUES ('retention', %s)", (DUE_AT,))
    with (
        running_worker(settings_environment, log, queues="control", concurrency=1, settings=settings),
        Celery("beat", broker=settings_environment["CELERY_BROKER_URL"], set_as_current=False) as app,
    ):
        hint = {"entry": "retention", "due_at": DUE_AT.isoformat()}
        app.send_task("processing_queue.run_occurrence", kwargs=hint, queue="control")
        ended = "SELECT count(*) FROM worker_processes WHERE state = 'ended'"
        wait_until(lambda: queue.value(ended) >= 1, "the end of the process", log)
        occurrences = queue.rows("SELECT state, take_number FROM schedule_occurrences")
    assert occurrences == [("finished", 1)]

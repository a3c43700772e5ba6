"""If a handler cannot be stopped, its process is replaced. Only the record of this handler is charged an attempt."""

from pathlib import Path

import pytest

from tests.workers.conftest import Queue
from tests.workers.processes import running_worker, wait_until


@pytest.mark.parametrize("flow_name", ["unstoppable", "deaf"])
def test_the_process_of_a_stuck_handler_is_replaced(
    flow_name: str, queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    queue.insert(flow_name, 5)
    queue.insert(flow_name, 1, '{"seconds": 600}')
    queue.insert(flow_name, 5)
    with running_worker(
        settings_environment, log, concurrency=1, settings={"IDLE_POLL_SECONDS": "0.2"}
    ) as worker:
        first = worker.children()
        wait_until(lambda: queue.counts() == {"completed": 10, "failed": 1}, "the end of all", log, 60)
        wait_until(lambda: worker.children() not in ([], first), "another child", log)
    assert queue.rows("SELECT DISTINCT crash_strikes FROM processing_queue") == [(0,)]
    assert queue.rows("SELECT retry_count, count(*) FROM processing_queue GROUP BY 1 ORDER BY 1") == [
        (0, 10),
        (1, 1),
    ]
    assert "could not be stopped" in queue.value(
        "SELECT error_message FROM processing_queue WHERE status = 'failed'"
    )
    assert queue.value("SELECT count(*) FROM flow_execution_logs WHERE state = 'dead'") == 0


@pytest.mark.parametrize("flow_name", ["sleepy", "sleepy_async"])
def test_a_handler_without_a_time_limit_that_never_returns_is_charged_and_its_process_replaced(
    flow_name: str, queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    """Without the charge, rescue would give back the record as overdue again and again, and the record would block
    one process after another."""
    settings = {"CLEANUP_TIMEOUT_HOURS": "0.001", "IDLE_POLL_SECONDS": "0.2", "MAX_RETRIES": "0"}
    queue.insert(flow_name, 1, '{"seconds": 600}')
    queue.insert(flow_name, 5, '{"seconds": 0}')
    with running_worker(settings_environment, log, concurrency=1, settings=settings) as worker:
        first = worker.children()
        wait_until(lambda: queue.counts() == {"completed": 5, "failed": 1}, "the end of all", log)
        wait_until(lambda: worker.children() not in ([], first), "another child", log)
    assert "did not return in 3.24 s: give its flow time_limit_seconds" in queue.value(
        "SELECT error_message FROM processing_queue WHERE status = 'failed'"
    )
    charged = queue.rows(
        "SELECT retry_count, crash_strikes, count(*) FROM processing_queue GROUP BY 1, 2 ORDER BY 1"
    )
    assert charged == [(0, 0, 5), (1, 0, 1)]

"""The records of a killed process are processed again within the promised time. Records that did not kill the process
are not charged."""

import os
import signal
from pathlib import Path

import pytest

from tests.workers.conftest import Queue
from tests.workers.processes import IN_HAND, START_METHOD, running_worker, wait_until

pytestmark = pytest.mark.alone

CHILD_RESCUE_SECONDS = (
    4 if START_METHOD == "spawn" else 2
)  # a spawned child imports everything before it looks for orphans


def test_a_killed_worker_is_rescued_within_twenty_seconds_by_default(
    queue: Queue, settings_environment: dict[str, str], tmp_path: Path
) -> None:
    settings = {"IDLE_POLL_SECONDS": "0.5"}
    with running_worker(
        settings_environment, tmp_path / "first.log", concurrency=1, settings=settings
    ) as first:
        queue.insert("sleepy", 10, '{"seconds": 60}')
        wait_until(lambda: queue.counts().get("processing") == 10, "a batch in flight", first.log)
        queue.rows("UPDATE processing_queue SET payload = '{\"seconds\": 0}' RETURNING id")
        with running_worker(
            settings_environment, tmp_path / "2.log", concurrency=1, settings=settings
        ) as second:
            first.kill()
            seconds = wait_until(lambda: queue.counts() == {"completed": 10}, "all rescued", second.log, 40)
    assert seconds <= 20
    assert queue.value("SELECT max(retry_count) FROM processing_queue") == 0
    assert queue.rows("SELECT state, died_running FROM flow_execution_logs WHERE state = 'dead'") == [
        ("dead", True)
    ]


def test_a_killed_child_is_rescued_in_time_and_only_its_record_is_struck(
    queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    settings = {"IDLE_POLL_SECONDS": "0.3"}
    with running_worker(settings_environment, log, concurrency=1, settings=settings) as worker:
        queue.insert("sleepy", 5, '{"seconds": 30}')
        wait_until(lambda: queue.rows(IN_HAND) != [], "a handler in hand", log)
        queue.rows("UPDATE processing_queue SET payload = '{\"seconds\": 0}' RETURNING id")
        os.kill(worker.children()[0], signal.SIGKILL)
        seconds = wait_until(
            lambda: "processing" not in queue.counts() or bool(queue.counts().get("completed")),
            "the rescue",
            log,
        )
        wait_until(lambda: queue.counts() == {"completed": 5}, "all processed", log)
    assert seconds <= CHILD_RESCUE_SECONDS
    assert queue.value("SELECT max(retry_count) FROM processing_queue") == 0
    strikes = queue.rows("SELECT crash_strikes, count(*) FROM processing_queue GROUP BY 1 ORDER BY 1")
    assert strikes == [(0, 4), (1, 1)]


def test_a_record_that_kills_its_process_fails_after_its_strikes_and_its_batch_mates_complete(
    queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    queue.insert("deadly", 30)
    queue.insert("deadly", 1, '{"kill": true}')
    queue.insert("deadly", 30)
    with running_worker(settings_environment, log, settings={"IDLE_POLL_SECONDS": "0.2"}):
        wait_until(lambda: queue.counts() == {"completed": 60, "failed": 1}, "the culprit failed", log)
    [(crash_strikes, retry_count, error_message)] = queue.rows(
        "SELECT crash_strikes, retry_count, error_message FROM processing_queue WHERE status = 'failed'"
    )
    assert (crash_strikes, retry_count) == (3, 0)
    assert "died while it worked on this record (crash strike 3 of 3)" in error_message
    innocent = "SELECT max(crash_strikes), max(retry_count) FROM processing_queue WHERE status = 'completed'"
    assert queue.rows(innocent) == [(0, 0)]

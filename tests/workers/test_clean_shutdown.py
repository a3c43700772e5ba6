"""When a worker is stopped for a deploy, it immediately gives back the records that it has not started. No record is
charged."""

import os
import signal
from pathlib import Path

import pytest
import redis
from celery import Celery

from tests.support.flow_rows import register_flow
from tests.workers.conftest import Queue
from tests.workers.processes import IN_HAND, CeleryProcess, running_worker, wait_until
from tests.workers.test_malformed_messages import message

pytestmark = pytest.mark.alone


def sigterm_to_the_worker(worker: CeleryProcess) -> None:
    os.kill(worker.pid, signal.SIGTERM)


def sigterm_to_the_whole_group(worker: CeleryProcess) -> None:
    os.killpg(worker.pid, signal.SIGTERM)


@pytest.mark.parametrize("stop", [sigterm_to_the_worker, sigterm_to_the_whole_group])
def test_a_worker_stops_within_seconds_in_the_middle_of_ten_thousand_slow_records(
    stop: object, queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    queue.insert("sleepy", 10_000, '{"seconds": 0.5}')
    settings = {"BATCH_SIZE": "2500", "IDLE_POLL_SECONDS": "0.2"}
    with running_worker(settings_environment, log, settings=settings) as worker:
        wait_until(lambda: queue.counts().get("processing", 0) > 2500, "two batches in flight", log)
        stop(worker)  # type: ignore[operator]
        seconds = wait_until(lambda: worker.popen.poll() is not None, "the end of the worker", log)
    assert seconds < 8
    counts = queue.counts()
    assert "processing" not in counts
    assert counts["pending"] + counts.get("completed", 0) == 10_000
    assert queue.rows("SELECT max(retry_count), max(crash_strikes) FROM processing_queue") == [(0, 0)]
    assert queue.rows("SELECT DISTINCT state FROM flow_execution_logs") == [("ended",)]
    assert queue.rows("SELECT DISTINCT state FROM worker_processes") == [("ended",)]


def test_a_sigterm_to_the_group_charges_no_record_of_a_run_that_began_without_a_hint(
    queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    """This run is in the thread `idle_poll`. For a run in the main thread, see
    test_every_end_of_a_worker_gives_its_records_back.py."""
    register_flow(queue.database, "limited")
    queue.insert("limited", 300, '{"seconds": 0.7}')
    settings = {"IDLE_POLL_SECONDS": "0.2"}
    with running_worker(
        settings_environment, log, flows="tests.workers.flows_with_a_limit", settings=settings
    ) as worker:
        wait_until(lambda: queue.counts().get("processing", 0) > 5, "a batch in flight", log)
        sigterm_to_the_whole_group(worker)
        wait_until(lambda: worker.popen.poll() is not None, "the end of the worker", log)
    assert queue.counts().keys() <= {"pending", "completed"}
    charged = "SELECT max(retry_count), max(crash_strikes), max(unfinished_claims) FROM processing_queue"
    assert queue.rows(charged) == [(0, 0, 0)]
    assert queue.rows("SELECT DISTINCT state FROM flow_execution_logs") == [("ended",)]


def test_a_worker_stops_within_seconds_of_a_hint_that_celery_has_given_up(
    queue: Queue,
    settings_environment: dict[str, str],
    redis_client: redis.Redis,
    redis_url: str,
    log: Path,
    tmp_path: Path,
) -> None:
    """If Celery abandons a hint during a warm shutdown, it never reads the result of that hint. If we did not limit the
    wait, the child would wait half a minute for Celery to read this result."""
    queue.insert("quick", 3)
    environment = settings_environment | {"ACCEPTED": str(tmp_path / "accepted")}
    flows = "tests.workers.flows_with_a_late_answer"
    with running_worker(environment, log, concurrency=1, flows=flows) as worker:
        wait_until(lambda: queue.counts() == {"completed": 3}, "an idle child", log)
        os.kill(worker.children()[0], signal.SIGSTOP)
        redis_client.lpush("flows", message())
        worker.wait_for_log("[a-1] received")
        with Celery("operator", broker=redis_url, set_as_current=False) as operator:
            for _ in range(2):  # at the second answer, Celery has passed the hint to the child
                wait_until(lambda: bool(operator.control.ping(timeout=0.5)), "an answer of the worker", log)
        os.kill(worker.pid, signal.SIGTERM)
        seconds = wait_until(lambda: worker.popen.poll() is not None, "the end of the worker", log, 60)
    assert worker.popen.returncode == 0
    assert "[a-1] succeeded" in log.read_text()
    assert seconds < 8


def test_a_child_killed_during_a_deploy_is_no_crash(
    queue: Queue, settings_environment: dict[str, str], tmp_path: Path
) -> None:
    """The test waits for a running handler before it stops the worker. If the stop came before the first handler, the
    run would give back its records and end at once."""
    queue.insert("sleepy", 3, '{"seconds": 20}')
    settings = {"IDLE_POLL_SECONDS": "0.2", "HEARTBEAT_SECONDS": "0.2", "LEASE_SECONDS": "1"}
    with running_worker(settings_environment, tmp_path / "1.log", concurrency=1, settings=settings) as worker:
        wait_until(lambda: bool(queue.rows(IN_HAND)), "a running handler", worker.log)
        os.kill(worker.pid, signal.SIGTERM)
        wait_until(
            lambda: queue.value("SELECT state FROM flow_execution_logs") == "stopping", "the stop", worker.log
        )
        queue.rows("UPDATE processing_queue SET payload = '{\"seconds\": 0}' RETURNING id")
        worker.kill()
    with running_worker(settings_environment, tmp_path / "2.log", concurrency=1, settings=settings) as other:
        wait_until(lambda: queue.counts() == {"completed": 3}, "the rescue", other.log)
    assert queue.rows("SELECT max(retry_count), max(crash_strikes) FROM processing_queue") == [(0, 0)]

"""A worker or a child can end in several orderly ways. In each case, a run that a hint started gives back the records
that it has not started. No record is charged an attempt. Some signals also reach the children, as with systemd's
default KillMode."""

import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from celery import Celery

from tests.workers.conftest import Queue
from tests.workers.processes import IN_HAND, REGISTERED, CeleryProcess, running_worker, wait_until
from tests.workers.test_malformed_messages import hint

FLOWS = ",".join(
    f"tests.workers.{name}"
    for name in ("flows_under_test", "flows_with_a_limit", "flows_in_batches_and_threads")
)
SETTINGS = {"IDLE_POLL_SECONDS": "60", "BATCH_SIZE": "50", "HEARTBEAT_SECONDS": "0.2"}
RECORDS = 400
BY_A_HINT = "SELECT count(*) FROM flow_execution_logs WHERE celery_task_id = 'a-1'"
CHARGED = "SELECT max(retry_count), max(crash_strikes), max(unfinished_claims) FROM processing_queue"
RUN_STATES = "SELECT DISTINCT state FROM flow_execution_logs"
FLOW_NAMES = ("sleepy", "limited", "with_effect", "in_batches", "in_threads", "sleepy_async")


def begin(
    queue: Queue, client: redis.Redis, flow_name: str, worker: CeleryProcess, seconds: float = 0.3
) -> None:
    """Sends a hint, and waits until the run of this hint calls a handler. The run is in the main thread of a child."""
    wait_until(lambda: queue.value(REGISTERED) == 1, "the child to be registered", worker.log)
    queue.insert(flow_name, RECORDS, json.dumps({"seconds": seconds}))
    client.lpush("flows", hint(flow_name))
    wait_until(lambda: bool(queue.rows(IN_HAND)), "a running handler", worker.log)
    assert queue.value(BY_A_HINT) == 1


def to_the_group(number: signal.Signals) -> Callable[[CeleryProcess, str], None]:
    return lambda worker, _: os.killpg(worker.pid, number)


def to_the_worker(number: signal.Signals) -> Callable[[CeleryProcess, str], None]:
    return lambda worker, _: os.kill(worker.pid, number)


def twice_ctrl_c(worker: CeleryProcess, _: str) -> None:
    os.kill(worker.pid, signal.SIGINT)
    worker.wait_for_log("Hitting Ctrl+C again")
    os.kill(worker.pid, signal.SIGINT)


def remote_control(_: CeleryProcess, redis_url: str) -> None:
    with Celery("operator", broker=redis_url, set_as_current=False) as operator:
        operator.control.shutdown()


WAYS = {
    "SIGTERM to the group": to_the_group(signal.SIGTERM),
    "SIGQUIT to the group": to_the_group(signal.SIGQUIT),
    "SIGQUIT": to_the_worker(signal.SIGQUIT),
    "Ctrl-C twice": twice_ctrl_c,
    "remote control": remote_control,
}


QUICK = ("SIGTERM to the group", "remote control")


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=[pytest.mark.long] * (way not in QUICK)) for way in WAYS]
)
def test_by_any_way(
    way: str,
    queue: Queue,
    settings_environment: dict[str, str],
    redis_client: redis.Redis,
    redis_url: str,
    log: Path,
) -> None:
    with running_worker(settings_environment, log, concurrency=1, flows=FLOWS, settings=SETTINGS) as worker:
        begin(queue, redis_client, "sleepy", worker)
        WAYS[way](worker, redis_url)
        expect_an_orderly_end(queue, worker)


@pytest.mark.long
@pytest.mark.parametrize("flow_name", FLOW_NAMES)
def test_with_handlers_of_any_kind(
    flow_name: str, queue: Queue, settings_environment: dict[str, str], redis_client: redis.Redis, log: Path
) -> None:
    with running_worker(settings_environment, log, concurrency=1, flows=FLOWS, settings=SETTINGS) as worker:
        begin(queue, redis_client, flow_name, worker)
        os.killpg(worker.pid, signal.SIGTERM)
        expect_an_orderly_end(queue, worker)


def expect_an_orderly_end(queue: Queue, worker: CeleryProcess) -> None:
    wait_until(lambda: worker.popen.poll() is not None, "the end of the worker", worker.log)
    expect_records_given_back(queue)
    assert queue.rows("SELECT DISTINCT state FROM worker_processes") == [("ended",)]


def expect_records_given_back(queue: Queue) -> None:
    counts = queue.counts()
    assert counts.keys() <= {"pending", "completed"}
    assert counts["pending"] > 0
    assert queue.rows(CHARGED) == [(0, 0, 0)]
    assert queue.rows(RUN_STATES) == [("ended",)]


@pytest.mark.long
def test_by_a_restart_when_the_terminal_closes(
    queue: Queue, settings_environment: dict[str, str], redis_client: redis.Redis, log: Path
) -> None:
    with running_worker(settings_environment, log, concurrency=1, flows=FLOWS, settings=SETTINGS) as worker:
        begin(queue, redis_client, "sleepy", worker)
        os.killpg(worker.pid, signal.SIGHUP)
        worker.wait_for_log("Restarting celery worker")
        wait_until(lambda: queue.counts().keys() <= {"pending", "completed"}, "the end of the run", log)
        wait_until(lambda: queue.rows(RUN_STATES) == [("ended",)], "the state of the run", log)
        expect_records_given_back(queue)


@pytest.mark.long
def test_of_one_child_that_is_asked_again(
    queue: Queue, settings_environment: dict[str, str], redis_client: redis.Redis, log: Path
) -> None:
    """When the child is asked to end a second time, it does not wait for its record in hand. Even so, this record is
    not charged."""
    with running_worker(settings_environment, log, concurrency=1, flows=FLOWS, settings=SETTINGS) as worker:
        begin(queue, redis_client, "sleepy", worker, seconds=60)
        [child] = worker.children()
        queue.rows("UPDATE processing_queue SET payload = '{\"seconds\": 0}' RETURNING id")
        os.kill(child, signal.SIGTERM)
        wait_until(lambda: queue.rows(RUN_STATES) == [("stopping",)], "the state of the run", log)

        def is_gone() -> bool:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)
            return child not in worker.children()

        wait_until(is_gone, "the end of the child", log)
        wait_until(lambda: queue.counts() == {"pending": RECORDS}, "the rescue", log)
    assert queue.rows(CHARGED) == [(0, 0, 0)]


@pytest.mark.long
def test_of_one_child_alone(
    queue: Queue, settings_environment: dict[str, str], redis_client: redis.Redis, log: Path
) -> None:
    """Only the child that gets the SIGTERM ends, after it has finished its record in hand. The worker replaces the
    child, and goes on."""
    with running_worker(settings_environment, log, concurrency=1, flows=FLOWS, settings=SETTINGS) as worker:
        begin(queue, redis_client, "sleepy", worker)
        [child] = worker.children()
        os.kill(child, signal.SIGTERM)
        wait_until(lambda: child not in worker.children() and worker.children() != [], "another child", log)
        queue.rows("UPDATE processing_queue SET payload = '{\"seconds\": 0}' RETURNING id")
        redis_client.lpush("flows", hint("sleepy"))
        wait_until(lambda: queue.counts() == {"completed": RECORDS}, "all records", log)
    assert queue.rows(CHARGED) == [(0, 0, 0)]

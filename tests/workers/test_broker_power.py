"""Nobody can interrupt the processing of a record by writing to the broker. Logs, events and replies of a real worker
contain no payload, even at log level DEBUG."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from tests.workers.conftest import Queue
from tests.workers.processes import WORKER_OPTIONS, CeleryProcess, wait_until, with_prefix
from tests.workers.test_malformed_messages import hint

CANARY = "canary-in-the-payload"
FLOWS = "tests.workers.flows_under_test"


@pytest.fixture
def stranger(settings_environment: dict[str, str]) -> Iterator[Celery]:
    with Celery("stranger", broker=settings_environment["CELERY_BROKER_URL"], set_as_current=False) as app:
        yield app


@pytest.fixture
def worker(
    queue: Queue,
    settings_environment: dict[str, str],
    log: Path,
) -> Iterator[CeleryProcess]:
    options = [*WORKER_OPTIONS, "--loglevel=DEBUG"]
    settings = with_prefix({"FLOW_MODULES": FLOWS, "ENQUEUE_BY_MESSAGE": "quick", "IDLE_POLL_SECONDS": "0.3"})
    process = CeleryProcess(
        ["worker", "-Q", "flows,control", "-c1", *options], settings_environment | settings, log
    )
    try:
        process.wait_for_log(" ready.")
        wait_until(
            lambda: queue.value("SELECT count(*) FROM flows WHERE flow_name = 'quick'") == 1, "its flows"
        )
        yield process
    finally:
        process.kill()


def start_one(queue: Queue, seconds: float) -> None:
    queue.insert("sleepy", 1, f'{{"seconds": {seconds}}}')
    wait_until(lambda: "processing" in queue.counts(), "a record in flight")


@pytest.mark.usefixtures("redis_client")
def test_remote_control_ends_no_process_with_a_record_in_flight(
    queue: Queue,
    worker: CeleryProcess,
    stranger: Celery,
) -> None:
    start_one(queue, 3)
    children = worker.children()
    run_id = queue.value("SELECT coalesce(celery_task_id, '') FROM flow_execution_logs")
    broadcast = stranger.control.broadcast
    for name, arguments in {
        "revoke": {"task_id": run_id, "terminate": True, "signal": "SIGKILL"},
        "terminate": {"task_id": run_id, "signal": "SIGKILL"},
        "time_limit": {"task_name": "processing_queue.claim_batch", "hard": 0.01, "soft": 0.01},
        "pool_grow": {"n": 20},
        "autoscale": {"max": 20, "min": 20},
        "pool_restart": {},
        "objgraph": {},
    }.items():
        broadcast(name, arguments=arguments)
    wait_until(lambda: queue.counts() == {"completed": 1}, "the record", worker.log)
    start_one(queue, 0.5)
    wait_until(lambda: queue.counts() == {"completed": 2}, "the next record", worker.log)
    assert worker.children() == children
    assert queue.value("SELECT max(crash_strikes) FROM processing_queue") == 0


def test_a_worker_that_is_told_to_shut_down_gives_its_records_back(
    queue: Queue,
    worker: CeleryProcess,
    stranger: Celery,
    redis_client: redis.Redis,
) -> None:
    queue.insert("sleepy", 1_000, '{"seconds": 0.1}')
    redis_client.lpush("flows", hint("sleepy"))
    wait_until(lambda: "processing" in queue.counts(), "a record in flight")
    stranger.control.shutdown()
    worker.popen.wait(30)
    assert set(queue.counts()) <= {"completed", "pending"}
    assert queue.counts()["pending"] > 0
    assert queue.value("SELECT max(crash_strikes + retry_count) FROM processing_queue") == 0


def test_no_payload_is_in_the_log_an_event_a_reply_or_a_note(
    queue: Queue,
    worker: CeleryProcess,
    stranger: Celery,
    redis_client: redis.Redis,
) -> None:
    with collected_events(stranger) as events:
        for name in ("processing_queue.enqueue", "tasks.enqueue", "no.such.task"):
            stranger.send_task(name, ["quick", {"secret": CANARY}], queue="control")
        stranger.send_task("processing_queue.enqueue", ["nobody", {"secret": CANARY}], queue="control")
        redis_client.lpush(
            "control", f'{{"body": "{CANARY}"}}', f'{{"headers": {{}}, "body": "{CANARY}"', CANARY
        )
        wait_until(lambda: queue.counts() == {"completed": 2}, "two records", worker.log)
        wait_until(lambda: sum(e["type"] == "task-failed" for e in events) >= 1, "events", worker.log)
    inspect = stranger.control.inspect(timeout=1)
    replies = [inspect.active(), inspect.reserved(), inspect.scheduled(), inspect.stats(), inspect.conf()]
    assert any(replies)
    seen = [
        str(events),
        str(replies),
        worker.log.read_text(),
        str(redis_client.lrange("processing_queue:quarantine", 0, -1)),
    ]
    assert [CANARY in text for text in seen] == [False] * 4
    assert "(hidden)" in seen[0]


@contextmanager
def collected_events(app: Celery) -> Iterator[list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": events.append})

        def receive() -> None:
            for _ in receiver.consume(limit=None, timeout=30, wakeup=True):
                pass

        thread = threading.Thread(target=receive, daemon=True)
        thread.start()
        wait_until(lambda: bool(events), "the first event")
        try:
            yield events
        finally:
            receiver.should_stop = True
            thread.join(30)

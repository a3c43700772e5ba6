"""If a worker starts while the broker is away, is frozen, or answers with errors, the worker processes records soon.
When the broker is back, the worker follows hints."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tasks.background import orderly_children
from tasks.embedded.redis import EmbeddedRedis
from tests.support.answering_broker import answering_broker
from tests.workers.conftest import Queue
from tests.workers.processes import (
    IN_HAND,
    START_OPTIONS,
    WORKER_OPTIONS,
    CeleryProcess,
    wait_until,
    with_prefix,
)
from tests.workers.test_malformed_messages import message

FLOWS = "tests.workers.flows_that_start_quickly"
LOADING = "LOADING Redis is loading the dataset in memory"


@contextmanager
def starting_worker(environment: dict[str, str], log: Path, pool: str = "prefork") -> Iterator[CeleryProcess]:
    """Does not wait until the worker is ready."""
    settings = with_prefix({"FLOW_MODULES": FLOWS, "IDLE_POLL_SECONDS": "0.3", "HEARTBEAT_SECONDS": "0.2"})
    arguments = [
        "worker",
        "-Q",
        "flows",
        f"--pool={pool}",
        "--concurrency=1",
        *WORKER_OPTIONS,
        *START_OPTIONS,
    ]
    process = CeleryProcess(arguments, environment | settings, log)
    try:
        yield process
    finally:
        process.kill()


def expect_work(queue: Queue, log: Path) -> None:
    queue.insert("quick", 3)
    wait_until(lambda: queue.counts() == {"completed": 3}, "records without a broker", log)
    assert " ready." not in log.read_text()


def expect_hints(queue: Queue, client: redis.Redis, worker: CeleryProcess) -> None:
    worker.wait_for_log(" ready.")
    client.lpush("flows", message())
    worker.wait_for_log("[a-1] succeeded")
    assert worker.popen.poll() is None


@pytest.mark.parametrize("pool", ["prefork", pytest.param("solo", marks=pytest.mark.long)])
def test_that_is_stopped(
    pool: str, queue: Queue, settings_environment: dict[str, str], broker: EmbeddedRedis, log: Path
) -> None:
    assert orderly_children.BROKER_SECONDS == 3
    environment = settings_environment | {"CELERY_BROKER_URL": broker.url()}
    broker.stop()
    with starting_worker(environment, log, pool) as worker:
        expect_work(queue, log)
        broker.start()
        with redis.Redis.from_url(broker.url()) as client:
            expect_hints(queue, client, worker)


@pytest.mark.long
def test_that_is_frozen(
    queue: Queue, settings_environment: dict[str, str], broker: EmbeddedRedis, log: Path
) -> None:
    environment = settings_environment | {"CELERY_BROKER_URL": broker.url()}
    with redis.Redis.from_url(broker.url()) as client:
        pid = client.info("server")["process_id"]
        os.kill(pid, signal.SIGSTOP)
        try:
            with starting_worker(environment, log) as worker:
                expect_work(queue, log)
                os.kill(pid, signal.SIGCONT)
                expect_hints(queue, client, worker)
        finally:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.long
def test_that_cannot_be_written_to(
    queue: Queue, settings_environment: dict[str, str], broker: EmbeddedRedis, log: Path
) -> None:
    environment = settings_environment | {"CELERY_BROKER_URL": broker.url()}
    with redis.Redis.from_url(broker.url()) as client:
        client.replicaof("127.0.0.1", "1")
        with starting_worker(environment, log) as worker:
            expect_work(queue, log)
            client.replicaof("NO", "ONE")
            expect_hints(queue, client, worker)


@pytest.mark.long
@pytest.mark.parametrize("reply", [LOADING, "NOPERM User hints has no permissions to run this command"])
def test_that_answers_with_an_error(
    reply: str,
    queue: Queue,
    settings_environment: dict[str, str],
    redis_client: redis.Redis,
    redis_url: str,
    log: Path,
) -> None:
    with answering_broker(redis_url) as between:
        between.reply = reply
        environment = settings_environment | {"CELERY_BROKER_URL": between.url}
        with starting_worker(environment, log) as worker:
            expect_work(queue, log)
            between.reply = None
            expect_hints(queue, redis_client, worker)


@pytest.mark.long
def test_a_child_that_dies_before_the_broker_is_there_is_replaced_and_follows_hints(
    queue: Queue, settings_environment: dict[str, str], broker: EmbeddedRedis, log: Path
) -> None:
    """The replacement lives for longer than Celery waits for the first message of a child. Only the record that was in
    flight gets a crash strike."""
    environment = settings_environment | {"CELERY_BROKER_URL": broker.url()}
    broker.stop()
    queue.insert("sleepy", 1, '{"seconds": 60}')
    with starting_worker(environment, log) as worker:
        wait_until(lambda: bool(queue.rows(IN_HAND)), "a running handler", log)
        queue.rows("UPDATE processing_queue SET payload = '{\"seconds\": 6}' RETURNING id")
        [killed] = worker.children()
        os.kill(killed, signal.SIGKILL)
        wait_until(
            lambda: queue.value("SELECT max(claim_number) FROM processing_queue") == 2, "the rescue", log
        )
        wait_until(lambda: queue.counts() == {"completed": 1}, "the record", log)
        [replacement] = worker.children()
        assert replacement != killed
        queue.insert("sleepy", 1, '{"seconds": 5}')
        wait_until(lambda: "processing" in queue.counts(), "a record in flight", log)
        broker.start()
        worker.wait_for_log(" ready.")
        wait_until(lambda: queue.counts() == {"completed": 2}, "the record in flight", log)
        with redis.Redis.from_url(broker.url()) as client:
            expect_hints(queue, client, worker)
        assert worker.children() == [replacement]
    strikes = queue.rows("SELECT crash_strikes, retry_count FROM processing_queue ORDER BY id")
    assert strikes == [(1, 0), (0, 0)]

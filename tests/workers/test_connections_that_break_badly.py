"""A worker's main process survives connections to the broker that break while Celery uses or closes them."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from celery import Celery
from celery.exceptions import WorkerLostError, WorkerShutdown, WorkerTerminate
from kombu.asynchronous import Hub

from tasks.celery_hardening import resilient_consumer
from tasks.celery_hardening.resilient_consumer import EventLoopError, ResilientConsumer
from tasks.celery_hardening.start_guard import ABNORMAL_ENDS, WINDOW_SECONDS
from tests.support.answering_broker import answering_broker
from tests.support.flow_rows import register_flow
from tests.workers.conftest import Queue
from tests.workers.processes import running_worker, wait_until
from tests.workers.test_malformed_messages import message

pytestmark = pytest.mark.timeout(240)

ASKED = "asked for deaths"


def test_a_subscription_breaks_while_a_message_waits_and_the_broker_is_away(
    queue: Queue, settings_environment: dict[str, str], redis_client: redis.Redis, redis_url: str, log: Path
) -> None:
    """Kombu gives the message back on a channel that it has half closed, and raises AttributeError."""
    register_flow(queue.database, "letters")
    queue.rows("UPDATE flows SET ingestion_stopped_at = now() RETURNING flow_name")
    with answering_broker(redis_url) as between:
        environment = settings_environment | {"CELERY_BROKER_URL": between.url}
        allowed = {"ENQUEUE_BY_MESSAGE": "letters"}
        with running_worker(environment, log, concurrency=1, settings=allowed) as worker:
            with Celery("shop", broker=redis_url, set_as_current=False) as shop:
                sent = shop.send_task("processing_queue.enqueue", ["letters", {}], queue="flows")
            # The log has two lines about the message: one from the first delivery, and one from the message that Celery
            # sends for the retry. Kombu takes a message out of the queue first, and then notes it as unacknowledged.
            # Between these two steps, the broker does not have the message.
            wait_until(lambda: log.read_text().count(f"[{sent.id}] received") == 2, "a retry that waits", log)
            wait_until(lambda: redis_client.hlen("unacked") == 1, "a message that waits in the worker", log)
            between.refuse()
            worker.wait_for_log("Cannot connect to")
            between.accept_again()
            wait_until(lambda: log.read_text().count("Connected to") == 2, "a new connection", log)
            # When Python collects the old channel, Kombu may give the message back to the broker a second time. Then
            # the broker has the message twice.
            wait_until(lambda: kept(redis_client) == {sent.id}, "the message, which nobody may lose", log)
            redis_client.lpush("flows", message())
            wait_until(lambda: redis_client.llen("flows") == 0, "a hint to be followed", log)
            assert worker.terminate() == 0
            assert kept(redis_client) == {sent.id}


def kept(client: redis.Redis) -> set[str]:
    """The ids of the messages that wait in the queue or in a worker, except hints."""
    waiting = [json.loads(text) for text in client.lrange("flows", 0, -1)]
    waiting += [json.loads(text)[0] for text in client.hvals("unacked")]
    return {
        message["headers"]["id"] for message in waiting if message["headers"]["task"].endswith(".enqueue")
    }


def test_a_child_has_died_unseen_when_the_connection_breaks(
    queue: Queue,
    settings_environment: dict[str, str],
    redis_client: redis.Redis,
    redis_url: str,
    log: Path,
    tmp_path: Path,
) -> None:
    """Celery registers None in place of the pipe of the dead child, so Kombu raises ValueError."""
    unseen = tmp_path / "no death is seen"
    environment = settings_environment | {"NO_DEATH_IS_SEEN": str(unseen)}
    flows = "tests.workers.flows_with_a_late_death"
    with running_worker(environment, log, concurrency=1, flows=flows) as worker:
        unseen.touch()
        (child,) = worker.children()
        os.kill(child, signal.SIGKILL)
        wait_until(
            lambda: psutil.Process(child).status() == psutil.STATUS_ZOMBIE, "the end of the child", log
        )
        asked = log.read_text().count(ASKED)
        wait_until(
            lambda: log.read_text().count(ASKED) > asked + 1, "Celery to see that the pipe is closed", log
        )
        redis_client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_until(lambda: "the worker connects again" in log.read_text(), "the error of Celery", log)
        unseen.unlink()
        queue.insert("quick", 3)
        wait_until(lambda: queue.counts() == {"completed": 3}, "records by a new child", log)
        redis_client.lpush("flows", message())
        wait_until(lambda: redis_client.llen("flows") == 0, "a hint to be followed", log)
        assert worker.terminate() == 0


def test_a_loop_that_fails_again_and_again_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the worker has ended, its supervisor starts it again. If the worker ends three times within two minutes,
    the start guard quarantines the messages."""
    now = 1000.0
    monkeypatch.setattr(resilient_consumer.time, "monotonic", lambda: now)
    monkeypatch.setattr(resilient_consumer.loops, "asynloop", raise_value_error)
    consumer = ResilientConsumer.__new__(ResilientConsumer)
    consumer.connection_errors = consumer.channel_errors = ()
    consumer.hub = Hub()

    def fail() -> None:
        consumer.hub.call_soon(raise_value_error)  # the reset of the hub makes this call
        consumer.loop()

    for _ in range(ABNORMAL_ENDS):
        with pytest.raises(EventLoopError, match="ended with ValueError"):
            fail()
    with pytest.raises(ValueError, match="a mistake"):
        fail()
    now += WINDOW_SECONDS
    with pytest.raises(EventLoopError):
        fail()


@pytest.mark.parametrize(
    "end", [WorkerShutdown(1), WorkerTerminate(1), WorkerLostError("no children"), KeyboardInterrupt()]
)
def test_what_ends_a_worker_on_purpose_still_does(
    end: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_loop(*_: Any) -> None:
        raise end

    monkeypatch.setattr(resilient_consumer.loops, "asynloop", run_loop)
    consumer = ResilientConsumer.__new__(ResilientConsumer)
    consumer.connection_errors = (OSError,)
    consumer.channel_errors = ()
    consumer.hub = Hub()
    with pytest.raises(type(end)):
        consumer.loop()


def raise_value_error(*_: Any) -> None:
    raise ValueError("a mistake")

"""A message is only a hint. A hint starts work quickly, but workers also find records without hints. The number of
hints is bounded."""

import ssl
import statistics
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from celery import Celery
from sqlalchemy.orm import Session

from queue_store import enqueue
from queue_store.enqueueing.hints import MAXIMUM_QUEUE_LENGTH, CeleryHintSender, connect
from tests.workers.conftest import Queue
from tests.workers.processes import REGISTERED, running_beat, running_worker, wait_until

pytestmark = pytest.mark.alone


def upstream_application(redis_url: str) -> Celery:
    """An application whose own Celery app knows nothing of this project's tasks."""
    app = Celery("upstream", broker=redis_url)
    app.conf.task_create_missing_queues = True
    return app


def explicitly(queue: Queue, hints: CeleryHintSender) -> None:
    queue.insert("quick", 1)
    assert hints.send("quick", "flows")


def by_a_session(queue: Queue, hints: CeleryHintSender) -> None:
    with Session(queue.database.engine) as session:
        enqueue(session, "quick", {}, hint_sender=hints)
        session.commit()


def test_an_idle_worker_starts_within_fifty_milliseconds_at_the_median_after_a_hint(
    queue: Queue, settings_environment: dict[str, str], redis_url: str, log: Path
) -> None:
    app = upstream_application(redis_url)
    hints = CeleryHintSender(app)
    with running_worker(settings_environment, log, settings={"IDLE_POLL_SECONDS": "60"}):
        wait_until(lambda: queue.value(REGISTERED) == 2, "both children to be registered", log)
        for way in (explicitly, by_a_session):
            for _ in range(21):
                way(queue, hints)
                wait_until(lambda: set(queue.counts()) == {"completed"}, "the record", log)
            waits = queue.rows(
                "SELECT extract(epoch FROM started_at - created_at)::float8 FROM processing_queue"
                " ORDER BY id DESC LIMIT 21"
            )
            assert statistics.median(wait for (wait,) in waits) < 0.05, way.__name__
    app.close()


def test_a_plain_insert_is_found_by_the_fan_out_of_beat(
    queue: Queue, settings_environment: dict[str, str], tmp_path: Path
) -> None:
    settings = {"IDLE_POLL_SECONDS": "60", "FAN_OUT_SECONDS": "1"}
    log = tmp_path / "worker.log"
    with (
        running_worker(settings_environment, log, queues="flows,control", settings=settings),
        running_beat(settings_environment, tmp_path / "beat.log", settings),
    ):
        queue.insert("quick", 300)
        seconds = wait_until(lambda: queue.counts() == {"completed": 300}, "the records", log)
    assert seconds < 10


def test_hints_stay_bounded_while_no_worker_runs(redis_client: redis.Redis, redis_url: str) -> None:
    app = upstream_application(redis_url)
    hints = CeleryHintSender(app)
    for flow in range(3 * MAXIMUM_QUEUE_LENGTH):
        hints.send(f"flow_{flow}", "flows")
    assert redis_client.llen("flows") == MAXIMUM_QUEUE_LENGTH
    for _ in range(50):
        hints.send("another", "other_queue")
    assert redis_client.llen("other_queue") == 1
    hints.started("another", 0)
    hints.send("another", "other_queue")
    assert redis_client.llen("other_queue") == 2
    app.close()


@pytest.mark.parametrize("url", ["amqp://h", "redis://h:port", "rediss://h?ssl_cert_reqs=perhaps"])
def test_a_broker_url_that_is_wrong_is_only_a_broker_that_is_away(url: str) -> None:
    """A wrong broker URL must not end a run or the search for due records."""
    hints = CeleryHintSender(SimpleNamespace(conf=SimpleNamespace(broker_url=url)))
    assert hints.is_broker_reachable() is False
    hints.started("quick", 0)
    assert hints.send("quick", "flows") is False
    assert hints.failed_count == 2


def test_the_urls_that_celery_understands_are_understood() -> None:
    tls = connect("rediss://h/1?ssl_cert_reqs=CERT_REQUIRED").connection_pool
    assert tls.make_connection().cert_reqs == ssl.CERT_REQUIRED
    socket = connect("redis+socket:///run/redis.sock?virtual_host=3").connection_pool
    assert (socket.connection_kwargs["path"], socket.connection_kwargs["db"]) == ("/run/redis.sock", 3)


def test_a_hint_that_cannot_be_sent_is_counted_and_harmless() -> None:
    app = upstream_application("redis://127.0.0.1:1/0")
    hints = CeleryHintSender(app)
    started = time.monotonic()
    assert hints.send("quick", "flows") is False
    assert time.monotonic() - started < 1
    assert hints.failed_count == 1
    app.close()

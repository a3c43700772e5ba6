"""If the broker answers with errors, no worker ends. Workers find records by polling, and a finding names the error.
Afterwards, workers follow hints again."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from queue_store.alerting.findings import Finding
from queue_store.settings import ProcessorSettings
from tasks.app import app
from tasks.embedded.redis import EmbeddedRedis
from tasks.monitoring.broker import BrokerReading, read_broker
from tasks.monitoring.rules import judge
from tasks.monitoring.snapshot import take_snapshot
from tests.support.answering_broker import answering_broker
from tests.workers.conftest import Queue
from tests.workers.processes import CeleryProcess, running_worker, wait_until
from tests.workers.test_malformed_messages import message

pytestmark = pytest.mark.timeout(240)

Make = Callable[[redis.Redis, EmbeddedRedis], object]


def cannot_save(client: redis.Redis, broker: EmbeddedRedis) -> None:
    """Removes the broker's working directory, so that its snapshots fail."""
    shutil.rmtree(broker.directory / "redis")
    client.config_set("save", "3600 1")
    client.bgsave()
    wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", "a snapshot that fails")


REAL: dict[str, tuple[Make, Make]] = {
    "READONLY You can't write against a read only replica": (
        lambda client, _: client.replicaof("127.0.0.1", "1"),
        lambda client, _: client.replicaof("NO", "ONE"),
    ),
    "NOREPLICAS": (
        lambda client, _: client.config_set("min-replicas-to-write", 3),
        lambda client, _: client.config_set("min-replicas-to-write", 0),
    ),
    "OOM": (
        lambda client, _: client.config_set("maxmemory", 1),
        lambda client, _: client.config_set("maxmemory", 0),
    ),
    "MISCONF": (
        cannot_save,
        lambda client, _: client.config_set("save", ""),
    ),
}
ANSWERED = (
    "LOADING Redis is loading the dataset in memory",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'",
    "CLUSTERDOWN The cluster is down",
    "NOPERM User hints has no permissions to run the 'brpop' command",
    "ERR unknown command",
    "BUSY Redis is busy running a script",
)


@pytest.mark.parametrize("reply", REAL)
def test_of_a_real_server(
    reply: str, queue: Queue, settings_environment: dict[str, str], broker: EmbeddedRedis, log: Path
) -> None:
    make, heal = REAL[reply]
    environment = settings_environment | {"CELERY_BROKER_URL": broker.url()}
    with running_worker(environment, log, concurrency=1, settings={"IDLE_POLL_SECONDS": "0.3"}) as worker:
        with redis.Redis.from_url(broker.url()) as client:
            client.lpush("flows", *[message()] * 3)
            make(client, broker)
            expect_work(queue, broker.url(), worker, reply, log)
            heal(client, broker)
            expect_hints_again(client, broker.url(), queue, worker, log)


def test_of_any_kind(
    queue: Queue, settings_environment: dict[str, str], redis_client: redis.Redis, redis_url: str, log: Path
) -> None:
    with answering_broker(redis_url) as between:
        environment = settings_environment | {"CELERY_BROKER_URL": between.url}
        with running_worker(environment, log, concurrency=1, settings={"IDLE_POLL_SECONDS": "0.3"}) as worker:
            for reply in ANSWERED:
                between.reply = reply
                expect_work(queue, between.url, worker, reply, log)
                between.reply = None
                expect_hints_again(redis_client, between.url, queue, worker, log)


def test_a_worker_stops_in_order_meanwhile(
    settings_environment: dict[str, str], redis_client: redis.Redis, redis_url: str, log: Path
) -> None:
    with answering_broker(redis_url) as between:
        environment = settings_environment | {"CELERY_BROKER_URL": between.url}
        with running_worker(environment, log, concurrency=1) as worker:
            between.reply = ANSWERED[0]
            wait_until(lambda: "LOADING" in log.read_text() or "loading" in log.read_text(), "the reply", log)
            assert worker.terminate(20) == 0


def expect_work(queue: Queue, url: str, worker: CeleryProcess, reply: str, log: Path) -> None:
    queue.insert("quick", 3)
    wait_until(lambda: set(queue.counts()) == {"completed"}, f"records by poll after {reply}", log)
    answer = f"The broker answers with an error: {reply.removeprefix('ERR ')}"
    expected = ("broker_refuses", "warning", True, True)
    wait_until(
        lambda: (
            [(f.code, f.level, answer in f.message, bool(f.next_step)) for f in findings(queue, url)]
            == [expected]
        ),
        f"one finding: {answer}",
    )
    assert worker.popen.poll() is None, log.read_text()[-3000:]


def expect_hints_again(client: redis.Redis, url: str, queue: Queue, worker: CeleryProcess, log: Path) -> None:
    client.lpush("flows", message())
    wait_until(lambda: client.llen("flows") == 0, "a hint to be followed", log)
    assert worker.popen.poll() is None, log.read_text()[-3000:]
    wait_until(lambda: findings(queue, url) == [], "the end of the finding")


def findings(queue: Queue, url: str) -> list[Finding]:
    """What the monitoring says about the broker. On a machine under load, a reading may find no answer in time."""
    reading = replace(take_snapshot(queue.database, ProcessorSettings()), broker=read_broker_at(url))
    return judge(reading, ["broker_refuses", "broker_unreachable"])


def read_broker_at(url: str) -> BrokerReading | None:
    before, app.conf.broker_url = app.conf.broker_url, url
    try:
        return read_broker()
    finally:
        app.conf.broker_url = before

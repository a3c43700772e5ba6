"""Measures the speed of empty tasks, as durable tasks and on plain Celery: `make bench-celery` (RECORDS=6000).

All tasks wait in the queue before the worker starts. The worker has two processes. Each case is measured once, from
the beginning of the first task to the end of the last. The printed ratios depend little on the machine.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import redis

from benchmarks.bench_servers import BenchServers, running_servers
from benchmarks.shop_tasks import MANY
from queue_store.database.manager import DatabaseManager
from queue_store.enqueueing import enqueue_many
from queue_store.settings import DatabaseSettings, parse_database_url

MODULE = "benchmarks.shop_tasks"
PREFIX = "DEVELOPMENT_DISTRIBUTED_PROCESSOR_"
PATIENCE_SECONDS = 240.0
OPTIONS = ("--concurrency=2", "--without-mingle", "--without-gossip", "--loglevel=WARNING")
DURABLE = "processing_queue"
UNFINISHED = "SELECT EXISTS (SELECT FROM processing_queue WHERE status IN ('pending', 'processing'))"


def main() -> None:
    records = int(os.environ.get("RECORDS", "6000"))
    with running_servers() as servers:
        queuectl(servers, "register")
        many_names = [f"shop.task_{n}" for n in range(MANY)]
        one = told("durable, one task", durable(servers, ["shop.no_op"], records))
        many = told(f"durable, {MANY} tasks", durable(servers, many_names, records // MANY))
        print(f"{MANY} tasks / one task: {many / one:.2f}", flush=True)
        without = told("plain Celery", plain(servers, records // 2))
        rows = told("plain Celery with a status row", with_rows(servers, records // 2))
    print(f"durable / plain: {one / without:.1f}; durable / plain with a status row: {one / rows:.1f}")


def told(name: str, rate: float) -> float:
    print(f"{name:32} {rate:8.0f} tasks/s", flush=True)
    return rate


def durable(servers: BenchServers, flow_names: list[str], each: int) -> float:
    """Returns tasks per second."""
    database = DatabaseManager(settings=DatabaseSettings(url=parse_database_url(servers.url)))
    with database.engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE processing_queue, flow_execution_logs")
        for flow_name in flow_names:
            rows = ({"args": [number], "kwargs": {}} for number in range(each))
            enqueue_many(connection, flow_name, rows)
    with servers.connect() as connection, worker(servers, DURABLE, "flows,control"), beat(servers):
        wait(lambda: not says(connection, UNFINISHED))
        row = connection.execute(
            "SELECT count(*), extract(epoch FROM max(completed_at) - min(claimed_at)) FROM processing_queue"
            " WHERE status = 'completed'"
        ).fetchone()
    assert row is not None
    assert row[0] == each * len(flow_names), row
    database.dispose()
    return row[0] / float(row[1])


def says(connection: psycopg.Connection[Any], question: str) -> bool:
    row = connection.execute(question.encode()).fetchone()
    return row is not None and bool(row[0])


def plain(servers: BenchServers, count: int) -> float:
    send(servers, "no_op", count)
    broker = redis.Redis.from_url(servers.broker_url)
    with worker(servers, MODULE, "celery"):
        wait(lambda: broker.llen("celery") < count)
        started = time.monotonic()
        wait(lambda: not broker.llen("celery") and not broker.hlen("unacked"))
        return count / (time.monotonic() - started)


def with_rows(servers: BenchServers, count: int) -> float:
    with servers.connect() as connection:
        connection.execute(
            "CREATE TABLE hand_written (id integer PRIMARY KEY, status text NOT NULL,"
            " started_at timestamptz, ended_at timestamptz)"
        )
        connection.execute(
            "INSERT INTO hand_written SELECT n, 'new' FROM generate_series(0, %s) n", [count - 1]
        )
        send(servers, "with_row", count)
        todo = "SELECT EXISTS (SELECT FROM hand_written WHERE status <> 'done')"
        begun = "SELECT EXISTS (SELECT FROM hand_written WHERE status <> 'new')"
        with worker(servers, MODULE, "celery"):
            wait(lambda: says(connection, begun))
            started = time.monotonic()
            wait(lambda: not says(connection, todo))
            return count / (time.monotonic() - started)


def send(servers: BenchServers, task: str, count: int) -> None:
    command = f"from {MODULE} import {task}\nfor n in range({count}): {task}.delay(n)"
    subprocess.run([sys.executable, "-c", command], env=servers.environment, check=True)


@contextmanager
def worker(servers: BenchServers, app: str, queues: str) -> Iterator[None]:
    with celery(servers, app, "worker", "-Q", queues, *OPTIONS):
        yield


@contextmanager
def beat(servers: BenchServers) -> Iterator[None]:
    schedule = str(servers.directory / f"schedule-{time.monotonic_ns()}")
    with celery(servers, DURABLE, "beat", "--schedule", schedule):
        yield


@contextmanager
def celery(servers: BenchServers, app: str, *arguments: str) -> Iterator[None]:
    log = servers.directory / f"{arguments[0]}-{time.monotonic_ns()}.log"
    environment = servers.environment | {
        f"{PREFIX}FLOW_MODULES": MODULE,
        "SHOP_IS_DURABLE": "yes" if app == DURABLE else "no",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", app, *arguments],
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def queuectl(servers: BenchServers, *arguments: str) -> None:
    environment = servers.environment | {f"{PREFIX}FLOW_MODULES": MODULE, "SHOP_IS_DURABLE": "yes"}
    command = [Path(sys.executable).with_name("queuectl"), *arguments]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {PATIENCE_SECONDS:g} s in vain")
        time.sleep(0.01)


if __name__ == "__main__":
    main()

"""Runs a real Celery worker on the benchmark's servers, and measures its CPU and memory."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import redis
from celery import Celery
from psycopg import Connection

from benchmarks.bench_servers import BenchServers
from queue_store.enqueueing.hints import CLAIM_BATCH_TASK, CeleryHintSender

ROOT = Path(__file__).parents[1]
FLOWS = "benchmarks.flows_measured"
FAN_OUT_TASK = "processing_queue.fan_out"
READY_SECONDS = 60.0
MOULD = "mould"  # a queue that no worker consumes from
# Only hints may start runs: a process that polls could start a run while a table is being filled.
SETTINGS = {"FLOW_MODULES": FLOWS, "IDLE_POLL_SECONDS": "3600"}
OPTIONS = ("--without-mingle", "--without-gossip", "--loglevel=INFO", "-Q", "flows")


class Worker:
    """One `celery worker` with its pool children."""

    def __init__(
        self,
        servers: BenchServers,
        processes: int,
        settings: Mapping[str, str],
        environment: Mapping[str, str],
    ) -> None:
        self._servers = servers
        self.log = servers.directory / f"worker-{time.monotonic_ns()}.log"
        prefixed = {f"DEVELOPMENT_DISTRIBUTED_PROCESSOR_{k}": v for k, v in {**SETTINGS, **settings}.items()}
        with self.log.open("ab") as output:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "tasks", "worker", *OPTIONS, "-c", str(processes)],
                cwd=ROOT, env=servers.environment | prefixed | environment, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        self.processes = processes
        self._app = Celery("bench", broker=servers.broker_url)
        self._app.conf.task_create_missing_queues = True
        self._hints = CeleryHintSender(self._app)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        with self._servers.connect() as connection:
            while time.monotonic() < deadline:
                if " ready." in self.log.read_text() and self._registered(connection) >= self.processes:
                    return
                time.sleep(0.05)
        raise RuntimeError(f"the worker was not ready in {READY_SECONDS} s:\n{self.log.read_text()[-3000:]}")

    def _registered(self, connection: Connection[Any]) -> int:
        row = connection.execute(
            "SELECT count(*) FROM worker_processes WHERE state = 'running' AND pid = ANY(%s)",
            [self.children()],
        ).fetchone()
        assert row is not None
        return int(row[0])

    def children(self) -> list[int]:
        return [child.pid for child in psutil.Process(self._popen.pid).children()]

    def hint(self, flow_name: str = "no_op", count: int = 0) -> None:
        """Sends `count` hints, or as many as there are pool children."""
        self.allow_hints(flow_name)
        for slot in range(count or self.processes):
            self._hints.send(flow_name, "flows", slot)

    def allow_hints(self, flow_name: str) -> None:
        """Marks all earlier hints as arrived. Otherwise, `send` would send no further hints for a while."""
        for slot in range(self.processes):
            self._hints.started(flow_name, slot)

    def fan_out(self) -> None:
        """Sends the task FAN_OUT_TASK, as beat does. The task finds the flows with work, and sends hints for them."""
        self._app.send_task(FAN_OUT_TASK, queue="flows")

    def wait_until_idle(self) -> None:
        """Waits until no message is left, so that the next measurement does not begin too early."""
        deadline = time.monotonic() + READY_SECONDS
        with redis.Redis.from_url(self._servers.broker_url) as broker:
            while broker.llen("flows") or broker.hlen("unacked"):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"messages were left for {READY_SECONDS} s")
                time.sleep(0.05)

    def pile_up_dead_hints(self, count: int, flow_name: str = "no_op") -> None:
        """Puts `count` copies of one message into the broker with one command. This bypasses all bounds."""
        self._app.send_task(CLAIM_BATCH_TASK, [flow_name], queue=MOULD)
        with redis.Redis.from_url(self._servers.broker_url) as broker:
            message = broker.rpop(MOULD)
            assert message
            broker.lpush("flows", *[message] * count)

    def wait_until_hints_are_gone(self) -> None:
        with redis.Redis.from_url(self._servers.broker_url) as broker:
            while broker.llen("flows"):
                time.sleep(0.1)

    def cpu_seconds(self) -> float:
        total = 0.0
        for pid in [self._popen.pid, *self.children()]:
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
        return total

    def memory_bytes(self) -> list[int]:
        return [psutil.Process(pid).memory_info().rss for pid in [self._popen.pid, *self.children()]]

    def stop(self) -> None:
        self._app.close()
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
        try:
            self._popen.wait(30)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


@contextmanager
def running_worker(
    servers: BenchServers,
    processes: int = 2,
    settings: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Worker]:
    """Starts a worker and waits until it is ready and its children are registered. Stops it at the end."""
    worker = Worker(servers, processes, settings or {}, environment or {})
    try:
        worker.wait_until_ready()
        yield worker
    finally:
        worker.stop()

"""Runs the processes of a peer, and measures them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.bench_servers import BenchServers
from benchmarks.peers import environments

DRIVERS = Path(__file__).parent
PROCESSES = 2
PATIENCE_SECONDS = 240.0
Command = Callable[[], list[str]]


@dataclass(frozen=True)
class Peer:
    """`left` is a query that returns true while jobs are left. `left` is None if the peer's workers end on their own
    when no jobs are left. `packages` are the packages that the report names. `wanted` is the ratio that we should
    reach: our speed divided by the peer's speed."""

    name: str
    command: Command
    count: int
    left: str | None
    packages: list[str]
    wanted: float | None = None
    environment: tuple[tuple[str, str], ...] = ()
    has_latency: bool = False


def python_driver(peer: str) -> Command:
    return lambda: [str(environments.python_of(peer)), str(DRIVERS / f"{peer}_driver.py")]


def node_driver(driver: str) -> Command:
    return lambda: [str(environments.node()), str(DRIVERS / f"{driver}.mjs")]


class PeerProcesses:
    """The processes of a peer, with a database of their own on the benchmark's server."""

    def __init__(self, peer: Peer, servers: BenchServers, url: str) -> None:
        self.peer = peer
        self.url = url
        self.environment = dict(os.environ) | dict(peer.environment) | {
            "PEER_URL": url,
            "PEER_MODULES": str(environments.node_modules()),
            "CELERY_BROKER_URL": servers.broker_url.removesuffix("/0") + "/2",
            "PYTHONPATH": str(DRIVERS),
            "NODE_NO_WARNINGS": "1",
        }  # fmt: skip

    def fill(self) -> float:
        """Inserts the jobs. Returns jobs per second."""
        answer = json.loads(self._run("fill", str(self.peer.count)))
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")
        return answer["count"] / answer["seconds"]

    def drain(self) -> float:
        """Inserts and processes the jobs. Returns jobs per second, from the start of the first job to the start of
        the last."""
        self.fill()
        with self._workers("work", PROCESSES) as workers:
            if self.peer.left is not None:
                self._wait_while(self.peer.left)
                for worker in workers:
                    worker.send_signal(signal.SIGTERM)
            spans = [json.loads(worker.communicate(timeout=PATIENCE_SECONDS)[0]) for worker in workers]
        return self._rate_of([span for span in spans if span["count"]])

    def drain_through_celery(self, left: str) -> float:
        """Processes the jobs with a Celery worker that has two pool children. The broker's queue is filled before the
        worker starts."""
        self.fill()
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "celery_table_driver", "worker", "-c", str(PROCESSES),
             "--without-mingle", "--without-gossip", "--without-heartbeat", "--loglevel=ERROR"],
            env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            self._wait_while(left)
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(60)
        return self._rate_of([json.loads(self._run("work"))])

    def waits(self, count: int) -> list[float]:
        """Returns for each job the seconds from just before its COMMIT until the job starts. The peer has one idle
        worker."""
        with self._workers("listen", 1) as [worker]:
            time.sleep(3)  # until the worker listens
            self._run("produce", str(count))
            time.sleep(1)
            worker.send_signal(signal.SIGTERM)
            return json.loads(worker.communicate(timeout=PATIENCE_SECONDS)[0])["waits"]

    def _run(self, *arguments: str) -> str:
        command = [*self.peer.command(), *arguments]
        return subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_SECONDS,
        ).stdout

    @contextmanager
    def _workers(self, command: str, count: int) -> Iterator[list[Any]]:
        program = [*self.peer.command(), command]
        workers = [
            subprocess.Popen(program, env=self.environment, stdout=subprocess.PIPE, text=True)
            for _ in range(count)
        ]
        try:
            yield workers
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()

    def _rate_of(self, spans: list[dict[str, float]]) -> float:
        done = sum(span["count"] for span in spans)
        if done != self.peer.count:
            raise RuntimeError(f"{done} jobs were done of {self.peer.count}")
        return done / (max(span["last"] for span in spans) - min(span["first"] for span in spans))

    def _wait_while(self, left: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        with psycopg.connect(self.url, autocommit=True) as connection:
            while connection.execute(left.encode()).fetchone() == (True,):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"jobs were left after {PATIENCE_SECONDS} s")
                time.sleep(0.2)

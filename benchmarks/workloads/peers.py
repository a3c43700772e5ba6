"""The no-op drain beside other systems, two worker processes each, measured in turns on the same server."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks import queue_state
from benchmarks.figures import compare
from benchmarks.peers import environments
from benchmarks.session import Session
from benchmarks.worker import Worker, running_worker

PEERS = Path(__file__).parents[1] / "peers"
PROCESSES = 2
RECORDS = 40_000
PATIENCE_SECONDS = 240.0


@dataclass(frozen=True)
class Peer:
    """`left`: a query that is true while jobs are left; None for workers that end when there are none."""

    name: str
    command: Callable[[], list[str]]
    count: int
    left: str | None
    wanted: float | None = None
    environment: tuple[tuple[str, str], ...] = ()


def _python(peer: str) -> Callable[[], list[str]]:
    return lambda: [str(environments.python_of(peer)), str(PEERS / f"{peer}_driver.py")]


def _node(driver: str) -> Callable[[], list[str]]:
    return lambda: ["node", str(PEERS / f"{driver}.mjs")]


GRAPHILE_LEFT = "SELECT EXISTS (SELECT FROM graphile_worker._private_jobs)"
BOSS_LEFT = "SELECT EXISTS (SELECT FROM pgboss.job WHERE name = 'no_op' AND state < 'completed')"
TABLE_LEFT = "SELECT EXISTS (SELECT FROM jobs WHERE status <> 'completed')"
ALL = (
    Peer("PgQueuer", _python("pgqueuer"), 8_000, None, 3.0),
    Peer("graphile-worker, local queue", _node("graphile_driver"), 20_000, GRAPHILE_LEFT, 1.5,
         (("GRAPHILE_LOCAL_QUEUE", "1"),)),
    Peer("graphile-worker", _node("graphile_driver"), 3_000, GRAPHILE_LEFT),
    Peer("pg-boss", _node("pg_boss_driver"), 40_000, BOSS_LEFT),
    Peer("Procrastinate", _python("procrastinate"), 400, None, 60.0),
)  # fmt: skip
CELERY_TABLE = Peer(
    "Celery, a task and a row for each record",
    lambda: [sys.executable, str(PEERS / "celery_table_driver.py")],
    600,
    TABLE_LEFT,
    60.0,
)


def measure(session: Session) -> None:
    session.connection.execute("CREATE DATABASE peers")
    url = session.servers.url.replace("/rpa_db?", "/peers?")
    with running_worker(session.servers) as worker:
        _ours(session, worker)
        for peer in (*ALL[:2], CELERY_TABLE, *ALL[2:]):
            if session.only_peer.lower() not in peer.name.lower():
                continue
            try:
                _compare(session, worker, peer, url)
            except (RuntimeError, ValueError, subprocess.SubprocessError) as error:
                print(f"  {peer.name} could not be measured: {error}", flush=True)
                session.failed.append(peer.name)


def _compare(session: Session, worker: Worker, peer: Peer, url: str) -> None:
    environment = dict(os.environ) | dict(peer.environment) | {
        "PEER_URL": url,
        "PEER_MODULES": str(environments.node_modules()),
        "CELERY_BROKER_URL": session.servers.broker_url.removesuffix("/0") + "/2",
        "PYTHONPATH": str(PEERS),
        "NODE_NO_WARNINGS": "1",
    }  # fmt: skip
    rate = (lambda: _celery_rate(peer, url, environment)) if peer is CELERY_TABLE else (
        lambda: _rate(peer, url, environment))  # fmt: skip
    rate()  # installs the peer's schema
    ours = lambda: _ours(session, worker)  # noqa: E731
    session.note_ratio(compare(f"drain : {peer.name}", ours, rate, pairs=session.pairs, wanted=peer.wanted))


def _ours(session: Session, worker: Worker) -> float:
    queue_state.empty(session.connection)
    queue_state.enqueue(session.connection, min(RECORDS, session.records))
    return queue_state.drain(session.connection, worker, min(RECORDS, session.records))


def _rate(peer: Peer, url: str, environment: dict[str, str]) -> float:
    _fill(peer, url, environment)
    workers = [
        subprocess.Popen([*peer.command(), "work"], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    try:
        if peer.left is not None:
            _wait_while(url, peer.left)
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
        spans = [json.loads(worker.communicate(timeout=PATIENCE_SECONDS)[0]) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return _rate_of([span for span in spans if span["count"]], peer.count)


def _celery_rate(peer: Peer, url: str, environment: dict[str, str]) -> float:
    """A worker of this Celery with two pool children; the broker's queue is filled before it starts."""
    _fill(peer, url, environment)
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "celery_table_driver", "worker", "-c", str(PROCESSES),
         "--without-mingle", "--without-gossip", "--without-heartbeat", "--loglevel=ERROR"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_while(url, TABLE_LEFT)
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(60)
    answer = subprocess.run(
        [*peer.command(), "work"], env=environment, capture_output=True, text=True, check=True
    )
    return _rate_of([json.loads(answer.stdout)], peer.count)


def _fill(peer: Peer, url: str, environment: dict[str, str]) -> None:
    subprocess.run([*peer.command(), "fill", str(peer.count)], env=environment, check=True)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _rate_of(spans: list[dict[str, float]], count: int) -> float:
    done = sum(span["count"] for span in spans)
    if done != count:
        raise RuntimeError(f"{done} jobs were done of {count}")
    return count / (max(span["last"] for span in spans) - min(span["first"] for span in spans))


def _wait_while(url: str, left: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(left.encode()).fetchone() == (True,):
            if time.monotonic() > deadline:
                raise RuntimeError(f"jobs were left after {PATIENCE_SECONDS} s")
            time.sleep(0.2)

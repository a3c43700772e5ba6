"""Compares other systems with ours on the same server. Each system drains with two worker processes. The measurements
of a rate alternate between the other system and ours. Measures how fast a system drains no-op jobs, how fast it
enqueues in bulk, and how soon its idle worker begins."""

import subprocess
import sys
from functools import partial

from benchmarks import queue_state
from benchmarks.figures import compare
from benchmarks.peers import environments
from benchmarks.peers.peer import DRIVERS, Peer, PeerProcesses, node_driver, python_driver
from benchmarks.session import Session
from benchmarks.worker import Worker, running_worker
from benchmarks.workloads import latency
from queue_store.enqueueing import enqueue_many

RECORDS = 40_000
LATENCY_JOBS = 200
GRAPHILE_LEFT = "SELECT EXISTS (SELECT FROM graphile_worker._private_jobs)"
BOSS_LEFT = "SELECT EXISTS (SELECT FROM pgboss.job WHERE name = 'no_op' AND state < 'completed')"
TABLE_LEFT = "SELECT EXISTS (SELECT FROM jobs WHERE status <> 'completed')"
NODE = environments.NODE_PACKAGES
PYTHON = environments.PYTHON_PACKAGES
CELERY_TABLE = Peer(
    "Celery, a task and a row for each record",
    lambda: [sys.executable, str(DRIVERS / "celery_table_driver.py")],
    2_000, TABLE_LEFT, [], 75.0,
)  # fmt: skip
PG_BOSS = Peer(
    "pg-boss", node_driver("pg_boss_driver"), RECORDS, BOSS_LEFT, [NODE[0], NODE[2]], 1.9, has_latency=True
)
ALL = (
    Peer("PgQueuer", python_driver("pgqueuer"), RECORDS, None, PYTHON["pgqueuer"], 3.7, has_latency=True),
    Peer("graphile-worker, local queue", node_driver("graphile_driver"), RECORDS, GRAPHILE_LEFT, NODE[:2], 1.2,
         (("GRAPHILE_LOCAL_QUEUE", "1"),)),
    Peer("graphile-worker", node_driver("graphile_driver"), 5_000, GRAPHILE_LEFT, NODE[:2], has_latency=True),
    PG_BOSS,
    Peer("Procrastinate", python_driver("procrastinate"), 2_000, None, PYTHON["procrastinate"], 75.0),
    CELERY_TABLE,
)  # fmt: skip


def measure(session: Session) -> None:
    session.connection.execute("CREATE DATABASE peers")
    url = session.servers.url.replace("/rpa_db?", "/peers?")
    with running_worker(session.servers) as worker:
        _ours(session, worker)
        for peer in ALL:
            if session.only_peer.lower() not in peer.name.lower():
                continue
            try:
                _compare(session, worker, PeerProcesses(peer, session.servers, url))
            except (RuntimeError, ValueError, OSError, subprocess.SubprocessError) as error:
                print(f"  {peer.name} could not be measured: {error}", flush=True)
                session.failed.append(peer.name)


def _compare(session: Session, worker: Worker, processes: PeerProcesses) -> None:
    peer = processes.peer
    session.packages.update(peer.packages)
    rate = partial(processes.drain_through_celery, TABLE_LEFT) if peer is CELERY_TABLE else processes.drain
    rate()  # installs the peer's schema
    session.note_ratio(
        compare(
            f"drain : {peer.name}",
            lambda: _ours(session, worker),
            rate,
            pairs=session.pairs,
            wanted=peer.wanted,
        )
    )
    if peer.has_latency:  # the queue of the peer is empty now
        _latency(session, processes)
    if peer is PG_BOSS:  # pg-boss passes a thousand jobs to one call of the handler
        in_batches = partial(_ours, session, worker, "no_op_batch")
        session.note_ratio(
            compare(
                f"drain, handler of 1,000 : {peer.name}", in_batches, rate, pairs=session.pairs, wanted=2.4
            )
        )
    session.note_ratio(
        compare(f"enqueue in bulk : {peer.name}", lambda: _ours_enqueued(session), processes.fill,
                pairs=session.pairs, wanted=1.0)
    )  # fmt: skip


def _ours(session: Session, worker: Worker, flow_name: str = "no_op") -> float:
    count = min(RECORDS, session.records)
    queue_state.empty(session.connection)
    queue_state.enqueue(session.connection, count, flow_name)
    return queue_state.drain(session.connection, worker, count, flow_name)


def _ours_enqueued(session: Session) -> float:
    count = min(RECORDS, session.records)
    queue_state.empty(session.connection)
    rows = ({"text": "x" * 150} for _ in range(count))

    def load() -> None:
        with session.connection.transaction():
            enqueue_many(session.connection, "no_op", rows)

    return count / queue_state.seconds_of(load)


def _latency(session: Session, processes: PeerProcesses) -> None:
    """Measures our latency with the same worker before and after the peer's latency."""
    before = latency.waits_from_idle(session, LATENCY_JOBS // 2)
    theirs = processes.waits(LATENCY_JOBS)
    ours = before + latency.waits_from_idle(session, LATENCY_JOBS // 2)
    if len(theirs) < LATENCY_JOBS:
        raise RuntimeError(f"{len(theirs)} of {LATENCY_JOBS} jobs were begun")
    for name, waits in (("ours", ours), (processes.peer.name, theirs)):
        group = f"idle to start next to {processes.peer.name}"
        session.note(group, f"{name}, median", latency.percentile(waits, 0.5) * 1000, "ms")
        session.note(group, f"{name}, 99th percentile", latency.percentile(waits, 0.99) * 1000, "ms")

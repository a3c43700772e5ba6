"""A run that was declared dead stops: the records that it has not started will soon belong to another run."""

import asyncio
import threading
import time
from typing import Any

import pytest

from tests.support.flow_runs import Worker
from tests.support.pgbouncer import direct_only

BURY = """
UPDATE flow_execution_logs SET state = 'dead', finished_at = clock_timestamp() WHERE state = 'running'
"""
END_SESSION = """
SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity
WHERE application_name LIKE '%%processing_queue worker%%' AND datname = current_database()
    AND pid <> pg_backend_pid()
"""


class Fate:
    """The first handler is in the middle of its work when its run is declared dead and its session is ended."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.started: list[int] = []
        self.go_on = threading.Event()
        self.struck = threading.Event()

    def strike(self, payload: int) -> None:
        self.started.append(payload)
        if payload == 0:
            self.worker.query(BURY)
            self.worker.query(END_SESSION)
            self.struck.set()


def in_threads(fate: Fate) -> Any:
    def handle(payload: int) -> None:
        fate.strike(payload)
        if payload > 0:
            fate.go_on.wait(30)

    return handle


def on_the_loop(fate: Fate) -> Any:
    async def handle(payload: int) -> None:
        await asyncio.to_thread(fate.strike, payload)
        while payload > 0 and not fate.go_on.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.001)

    return handle


@direct_only
@pytest.mark.parametrize("kind", [in_threads, on_the_loop])
def test_nothing_more_is_started_after_a_run_was_lost(worker: Worker, kind: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("tasks.run_loop.concurrent_execution.LOOK_SECONDS", 0.01)
    monkeypatch.setattr("tasks.run_loop.delivery.Delivery.flush_when_due", lambda delivery: delivery.flush())
    fate = Fate(worker)
    flow = worker.declare(kind(fate), name="lost", concurrency=4, batch_size=30)
    ids = worker.enqueue("lost", range(30))
    worker.run(flow)
    assert fate.struck.wait(30)
    fate.go_on.set()
    time.sleep(0.3)  # a run that did not stop would start more handlers now
    assert len(fate.started) <= 5
    assert {row.status for row in worker.rows(ids)} == {"processing"}
    worker.services.rescue.sweep()
    assert {(row.status, row.retry_count, row.crash_strikes) for row in worker.rows(ids)} == {
        ("pending", 0, 0)
    }


@direct_only
@pytest.mark.parametrize("kind", [in_threads, on_the_loop])
def test_the_records_of_a_lost_run_are_processed_by_the_next(worker: Worker, kind: Any) -> None:
    fate = Fate(worker)
    flow = worker.declare(kind(fate), name="lost", concurrency=4, batch_size=30)
    ids = worker.enqueue("lost", range(30))
    fate.go_on.set()
    worker.run(flow)
    assert fate.struck.wait(30)
    worker.services.rescue.sweep()
    fate.strike = fate.started.append  # type: ignore[method-assign]
    worker.run(flow)
    assert {(row.status, row.retry_count) for row in worker.rows(ids)} == {("completed", 0)}

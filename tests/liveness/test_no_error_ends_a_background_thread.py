"""If a heartbeat, or another duty of a background thread, fails with any error, its thread goes on. A process whose
heartbeat thread ended would go on claiming, although the other processes declare it dead."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from queue_store import maintenance
from queue_store.database.manager import DatabaseManager
from queue_store.maintenance import maintenance_run
from tasks import app
from tasks.background import heartbeat as heartbeat_module
from tasks.background.heartbeat import Heartbeat
from tasks.run_loop.stuck_handlers import StuckHandlers
from tasks.schedule import run_occurrence
from tests.schedule.test_occurrences import notice
from tests.support.flow_runs import Worker
from tests.support.store import Store
from tests.workers.processes import wait_until

BEAT = "SELECT heartbeat_at FROM worker_processes WHERE worker_process_id = %(id)s AND state = 'running'"


class Failing:
    """Raises the error at the first `times` calls, and passes later calls on."""

    def __init__(self, call: Any, error: BaseException, times: float = 1) -> None:
        self._call, self._error, self._times = call, error, times
        self.failed_count = 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if self.failed_count < self._times:
            self.failed_count += 1
            raise self._error
        return self._call(*arguments, **options)


@contextmanager
def beating(worker: Worker) -> Iterator[Heartbeat]:
    services = worker.services
    services.settings = replace(services.settings, heartbeat_seconds=0.05)
    heartbeat = Heartbeat(services)
    heartbeat.start()
    try:
        yield heartbeat
    finally:
        heartbeat.end()
        heartbeat.join(20)
    assert not heartbeat.is_alive()


def wait_for_beats(worker: Worker, heartbeat: Heartbeat) -> None:
    def beat() -> Any:
        assert heartbeat.is_alive()
        return worker.query(BEAT, id=worker.services.process.worker_process_id)

    for _ in range(2):
        before = beat()
        wait_until(lambda: beat() not in ([], before), "another heartbeat")  # noqa: B023


@pytest.mark.parametrize("times", [1, float("inf")], ids=["once", "always"])
def test_a_process_without_a_free_thread_sends_its_heartbeats(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, times: float
) -> None:
    start = threading.Thread.start
    start_duty = Failing(start, RuntimeError("can't start new thread"), times)

    def start_or_fail(thread: threading.Thread) -> None:
        (start_duty if thread.name == "heartbeat_duty" else start)(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_fail)
    with beating(worker) as heartbeat:
        wait_until(lambda: start_duty.failed_count > 0, "the error")
        wait_for_beats(worker, heartbeat)


@pytest.mark.parametrize("error", [OSError("no space"), MemoryError()], ids=repr)
def test_a_heartbeat_thread_outlives_any_error(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    touch = Failing(lambda _: None, error)
    monkeypatch.setattr(heartbeat_module, "touch_liveness_file", touch)
    with beating(worker) as heartbeat:
        wait_until(lambda: touch.failed_count > 0, "the error")
        wait_for_beats(worker, heartbeat)


def test_a_stuck_handler_is_ended_although_the_first_try_failed(store: Store) -> None:
    store.enqueue(1)
    records = store.run().begin()
    given_up = threading.Event()
    stuck_handlers = StuckHandlers(Failing(lambda _: given_up.set(), MemoryError()))
    stuck_handlers.start()
    stuck_handlers.watch(records, 0, can_be_interrupted=False)
    has_given_up = given_up.wait(20)
    stuck_handlers.end()
    assert has_given_up


def test_an_occurrence_sends_its_heartbeats_after_an_error(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without heartbeats, another worker would do the same occurrence again."""
    beaten, due_at = threading.Event(), datetime(2026, 11, 29, 12, tzinfo=UTC)
    monkeypatch.setattr(run_occurrence, "database_named", lambda: database)
    monkeypatch.setattr(run_occurrence, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(
        run_occurrence.occurrences, "beat", Failing(lambda *_: not beaten.set(), MemoryError())
    )
    monkeypatch.setitem(app.tasks, "tests.waits", lambda: None if beaten.wait(20) else 1 / 0)
    monkeypatch.setitem(app.conf.beat_schedule, "weekly", {"task": "tests.waits", "schedule": 1.0})
    notice(database, due_at - timedelta(days=7))
    notice(database, due_at)
    assert run_occurrence.run_occurrence("weekly", due_at.isoformat()) == "finished"


def test_maintenance_sends_its_heartbeats_after_an_error(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    beaten = threading.Event()

    def beat(name: str) -> bytes:
        beaten.set()
        return sql(name)

    sql, beat_or_fail = maintenance_run.sql, Failing(beat, MemoryError())
    monkeypatch.setattr(maintenance_run, "HEARTBEAT_SECONDS", 0.01)
    with maintenance.begin(database, "retention", dry_run=True, actor="olga"):
        with monkeypatch.context() as failing:
            failing.setattr(maintenance_run, "sql", beat_or_fail)
            assert beaten.wait(20)

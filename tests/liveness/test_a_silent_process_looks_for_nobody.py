"""If a process was itself silent for nearly as long as the lease, it declares nobody dead until one lease after its
next heartbeat. Perhaps no process could reach the database, so every heartbeat may be out of date."""

import math
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from queue_store.records.record import Completed
from queue_store.runs.run import Run, RunOptions
from tasks.background.heartbeat import Heartbeat
from tasks.background.sentinel import Sentinel
from tasks.fan_out import fan_out
from tasks.run_loop import abort_process as aborting
from tasks.run_loop.stuck_handlers import StuckHandler
from tasks.worker.current_run import CurrentRun
from tasks.worker.shared_slots import Predecessor
from tests.support import filling
from tests.support.flow_runs import Worker, running_worker
from tests.support.locks import wait_until_blocked
from tests.support.store import Store, in_background

DEAD = "SELECT flow_instance_id FROM flow_execution_logs WHERE state = 'dead'"
DEAD_PROCESSES = "SELECT worker_process_id FROM worker_processes WHERE state = 'dead'"


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._skipped, self._monotonic = 0.0, time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: self._monotonic() + self._skipped)

    def skip(self, seconds: float) -> None:
        self._skipped += seconds


class Process:
    """This worker process. In the database, the last heartbeats of another process and of a run are one hour old."""

    def __init__(self, store: Store, worker: Worker, clock: Clock) -> None:
        self.store, self.worker, self.clock = store, worker, clock
        self.lease_seconds = worker.services.settings.lease_seconds
        self.heartbeat = Heartbeat(worker.services)
        an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
        self.silent_process = filling.add_worker_process(store.database, heartbeat_at=an_hour_ago)
        self.silent_run = filling.add_run(store.database, "sample", heartbeat_at=an_hour_ago)
        filling.add_processing(store.database, 2, self.silent_run, "sample")

    def dead(self) -> list[UUID]:
        return [row[0] for row in self.store.query(f"{DEAD} UNION {DEAD_PROCESSES}")]

    def is_silent(self) -> None:
        self.clock.skip(0.9 * self.lease_seconds)

    def pass_a_lease(self) -> None:
        for _ in range(3):
            self.clock.skip(0.4 * self.lease_seconds)
            self.worker.services.rescue.own_heartbeat.arrived()


@pytest.fixture
def process(store: Store, clean_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    lease_seconds = store.settings.lease_seconds  # short if the server has just started
    settings = {"lease_seconds": lease_seconds, "heartbeat_seconds": lease_seconds / 5}
    monkeypatch.setattr("queue_store.liveness.rescue.LOOK_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr("tasks.alerts.checking.check_queue", lambda *_, **__: None)
    monkeypatch.setattr("tasks.fan_out.THOROUGH_SECONDS", -math.inf)
    monkeypatch.setattr(aborting, "end_process", lambda: None)
    with running_worker(clean_database_url, monkeypatch, **settings) as worker:
        monkeypatch.setattr("tasks.fan_out.worker_services", lambda: worker.services)
        monkeypatch.setattr(worker.services.hints, "send", lambda *_: 0)
        yield Process(store, worker, Clock(monkeypatch))


def beat(process: Process) -> None:
    process.heartbeat.beat()


def fan_out_once(process: Process) -> None:
    fan_out()


def check(process: Process) -> None:
    Sentinel(process.worker.services).check()


def find_nothing_to_claim(process: Process) -> None:
    idle = process.worker.declare(lambda payload: None, name="idle")
    assert not process.worker.run(idle).records_claimed


def abort(process: Process) -> None:
    worker = process.worker
    flow = worker.declare(lambda payload: None, name="stuck", time_limit_seconds=1, max_retries=0)
    worker.enqueue("stuck", ["finished", "stuck"])
    services = worker.services
    options, position = RunOptions("stuck", 10, 0), services.position("stuck")
    with Run(services.database, options, position, services.process.worker_process_id) as run:
        finished, stuck = run.begin()
        now = time.monotonic()
        handlers = [StuckHandler([stuck], now, now, 1)]
        aborting.abort_process(
            services, flow, CurrentRun(run), lambda: [Completed(finished, now, now, None, ())], handlers
        )


WAYS = [beat, fan_out_once, check, find_nothing_to_claim, abort]


@pytest.mark.parametrize("look", WAYS)
def test_after_its_own_silence_it_waits_for_one_lease(
    process: Process, look: Callable[[Process], None]
) -> None:
    beat_once_without_looking(process)
    process.is_silent()
    if look is not beat:
        look(process)
        assert process.dead() == []
    beat(process)
    look(process)
    assert process.dead() == []
    process.pass_a_lease()
    look(process)
    assert set(process.dead()) >= {process.silent_run, process.silent_process}


def beat_once_without_looking(process: Process) -> None:
    process.worker.services.rescue.own_heartbeat.arrived()


def test_what_a_dead_run_left_is_given_back_at_once(process: Process) -> None:
    process.store.execute("UPDATE flow_execution_logs SET state = 'dead', finished_at = now()")
    process.is_silent()
    beat(process)
    assert process.store.statuses() == {"pending": 2}


def test_an_answer_that_was_delayed_for_longer_than_the_lease_is_not_believed(process: Process) -> None:
    """The sweep began in time, but its first statement waited until the database could be reached again."""
    beat_once_without_looking(process)
    with process.store.held().transaction() as cursor:
        cursor.execute("LOCK TABLE flow_execution_logs IN ACCESS EXCLUSIVE MODE")
        sweep = in_background(process.worker.services.rescue.sweep)
        wait_until_blocked(process.store.database)
        process.is_silent()
    assert sweep.result(30).dead_run_ids == []
    assert process.dead() == []


def test_the_report_of_a_predecessor_declares_nobody_else_dead(process: Process) -> None:
    gone = process.store.worker_process()
    process.worker.services.predecessor = Predecessor(gone, None)
    process.is_silent()
    beat(process)
    assert process.dead() == [gone]


def test_a_process_that_has_just_started_looks_with_its_first_heartbeat(process: Process) -> None:
    """A killed worker is declared dead in time, even if the only other process starts just before the lease ends."""
    beat(process)
    assert set(process.dead()) == {process.silent_run, process.silent_process}


def test_a_process_whose_first_heartbeat_comes_late_waits_for_one_lease(process: Process) -> None:
    process.is_silent()
    beat(process)
    assert process.dead() == []

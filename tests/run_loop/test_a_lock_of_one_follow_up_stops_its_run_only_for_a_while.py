"""If a follow-up record waits for a lock, its run waits, too, but stops waiting when the run must end. If the process
ends because of another handler, the outcome with this follow-up record is neither lost nor turned into a failure."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from queue_store.database.held_connection import HeldConnection
from queue_store.errors import ConflictError
from queue_store.liveness.worker_processes import EndRequest
from queue_store.records.record import Completed, Failure, Outcome
from queue_store.runs.run import Run, RunOptions
from tasks import FlowContext
from tasks.run_loop import abort_process as aborting, apart
from tasks.run_loop.apart import write_apart
from tasks.run_loop.executors import Executor
from tasks.run_loop.failures import failure_of
from tests.run_loop.test_an_error_of_one_follow_up_fails_only_its_own_record import (
    COUNT,
    GUILTY,
    SAME_KEY,
    Scene,
    rival as rival,  # noqa: PLC0414  (a fixture)
)
from tests.support.flow_runs import Worker
from tests.support.store import in_background
from tests.workers.processes import wait_until

PATIENCE_SECONDS = 30.0


def follow(context: FlowContext) -> None:
    context.enqueue("next", {}, dedup_key="k")


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("is_in_the_way", "failed"),
        ("process_is_full", "failed"),
        ("flow_is_closed", "failed"),
        ("is_lost", "processing"),
    ],
)
def test_the_wait_ends_when_the_run_must_end(
    worker: Worker, rival: HeldConnection, monkeypatch: pytest.MonkeyPatch, reason: str, status: str
) -> None:
    monkeypatch.setattr("tasks.run_loop.delivery.LOCKED_SECONDS", 2 * PATIENCE_SECONDS)
    scene = Scene(worker, "batch", follow)
    rival.driver.execute(SAME_KEY)
    running = in_background(lambda: worker.run(scene.flow))
    scene.wait_for_the_innocent()
    current = worker.services.current_run
    assert current is not None
    setattr(current, reason, True)
    running.result(PATIENCE_SECONDS / 2)
    assert scene.statuses() == [status if n == GUILTY else "completed" for n in range(COUNT)]


class Stuck:
    """Three handlers were called at the same time. The first two have returned, and the follow-up record of the first
    handler waits for a lock. The third handler is stuck."""

    def __init__(self, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
        self.worker, self.called = worker, list[str]()
        self.waits, self.may_end = threading.Event(), threading.Event()
        worker.declare(lambda payload: None, name="next")
        self.flow = worker.declare(self.handle, name="sample", concurrency=3, max_retries=0)
        self.ids = worker.enqueue("sample", ["follows", "plain", "stuck"])
        worker.services.settings = replace(worker.services.settings, micro_batch_seconds=0)
        monkeypatch.setattr(Executor, "take_outcomes", self.take_two(Executor.take_outcomes))
        monkeypatch.setattr("tasks.run_loop.delivery.write_apart", self.stand_still)
        monkeypatch.setattr(aborting, "end_process", lambda: None)

    def handle(self, payload: str, context: FlowContext) -> None:
        self.called.append(payload)
        if payload == "follows":
            follow(context)
        elif payload == "stuck":
            assert self.may_end.wait(PATIENCE_SECONDS)

    def take_two(self, take: Callable[[Executor], list[Outcome]]) -> Callable[[Executor], list[Outcome]]:
        """The outcome with the follow-up record is taken first."""

        def take_when_due(executor: Executor) -> list[Outcome]:
            is_due = len(executor.done) == 2 or self.may_end.is_set()
            return sorted(take(executor), key=lambda outcome: outcome.record.id) if is_due else []

        return take_when_due

    def stand_still(self, *_: Any, **__: Any) -> None:
        self.waits.set()
        assert self.may_end.wait(PATIENCE_SECONDS)

    def end_the_stuck_handler(self) -> None:
        handlers = self.worker.services.current_run.handlers  # type: ignore[union-attr]
        [record] = self.worker.rows(self.ids[2:])
        handlers.end(EndRequest(record.id, record.claim_number, "ops", None))  # type: ignore[union-attr]


def test_an_outcome_that_waits_is_written_if_the_process_ends(
    worker: Worker, rival: HeldConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = Stuck(worker, monkeypatch)
    rival.driver.execute(SAME_KEY)
    running = in_background(lambda: worker.run(stuck.flow))
    assert stuck.waits.wait(PATIENCE_SECONDS)
    tries, write_in = list[int](), Run.write_in

    def note_and_write(run: Run, cursor: Any, outcomes: Sequence[Outcome], **options: bool) -> Any:
        if any(outcome.record.id == stuck.ids[0] for outcome in outcomes):
            tries.append(1)
        return write_in(run, cursor, outcomes, **options)

    monkeypatch.setattr(Run, "write_in", note_and_write)
    ending = in_background(stuck.end_the_stuck_handler)
    try:
        wait_until(lambda: len(tries) > 3 or ending.done(), "the tries to write the outcome")
        rival.driver.rollback()
        ending.result(PATIENCE_SECONDS)
    finally:
        stuck.may_end.set()
        worker.services.is_ending = False
    running.result(PATIENCE_SECONDS)
    assert [row.status for row in worker.rows(stuck.ids)] == ["completed", "completed", "failed"]
    assert sorted(stuck.called) == ["follows", "plain", "stuck"]
    assert worker.query("SELECT count(*) FROM processing_queue WHERE dedup_key = 'k'") == [(1,)]


class Claimed:
    def __init__(self, worker: Worker) -> None:
        self.flow = worker.declare(lambda payload: None, name="sample")
        worker.enqueue("sample", range(3))
        position, process = worker.services.position("sample"), worker.services.process.worker_process_id
        with Run(worker.services.database, RunOptions("sample", 10, 0), position, process) as run:
            self.outcomes = [Completed(record, 0.0, 0.0, None, ()) for record in run.begin()]
        self.tried: list[Any] = []
        self.written: list[Any] = []

    def write_apart(self, errors: dict[Any, Exception], *, may_wait: bool) -> None:
        def write(outcomes: Sequence[Outcome]) -> None:
            self.tried += (payloads := [outcome.record.payload for outcome in outcomes])
            for payload in payloads:
                if payload in errors:
                    raise errors[payload]
            self.written += [(type(outcome), outcome.record.payload) for outcome in outcomes]

        write_apart(self.flow, self.outcomes, write, lambda: may_wait)


def test_when_the_wait_is_over_two_locked_rows_end_the_tries(worker: Worker) -> None:
    """Each try can take the whole `lock_timeout`."""
    claimed = Claimed(worker)
    with pytest.raises(ConflictError):
        claimed.write_apart(dict.fromkeys(range(3), ConflictError("the row is locked")), may_wait=False)
    assert claimed.tried == [0, 1]


@pytest.mark.parametrize(
    "error", [psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable, psycopg.InternalError]
)
def test_an_error_that_is_not_of_the_data_fails_no_record(worker: Worker, error: type[Exception]) -> None:
    claimed = Claimed(worker)
    with pytest.raises(error, match="first"):
        claimed.write_apart({0: error("first"), 1: error("second")}, may_wait=True)
    assert claimed.written == [(Completed, 2)]


@pytest.mark.parametrize("error", apart.REFUSED)
def test_an_error_of_the_data_fails_its_record(worker: Worker, error: type[Exception]) -> None:
    claimed = Claimed(worker)
    errors = {0: error("refused")}

    def forgive(*arguments: Any) -> Failure:
        errors.clear()
        return failure_of(*arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(apart, "failure_of", forgive)
        claimed.write_apart(errors, may_wait=True)
    assert claimed.written == [(Failure, 0), (Completed, 1), (Completed, 2)]


def test_the_pauses_become_longer(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    errors: dict[Any, Exception] = {0: ConflictError("the row is locked")}
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 8:
            errors.clear()

    monkeypatch.setattr(time, "sleep", pause)
    Claimed(worker).write_apart(errors, may_wait=True)
    assert pauses[0] <= 0.2
    assert 0.5 <= pauses[-1] <= 1

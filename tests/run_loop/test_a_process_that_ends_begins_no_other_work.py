"""A process ends if one of its handlers is stuck. That handler can still return while the process is ending. Even then
the process begins no other work, because the end of the process would interrupt that work."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from celery import signals

from queue_store.liveness.worker_processes import EndRequest
from queue_store.queue_schema import celery_queue_name
from queue_store.runs.run import Run
from tasks import claim_batch as hint_module
from tasks.background import idle_poll, other_tasks
from tasks.exceptions import RunLostError
from tasks.fan_out import fan_out
from tasks.run_loop import abort_process as aborting, waiting_flows
from tasks.run_loop.loop import new_run, run_flow
from tasks.worker import services as services_module
from tasks.worker.current_run import CurrentRun
from tasks.worker.services import WorkerServices
from tasks.worker.shared_slots import SharedSlots
from tests.support.flow_runs import Worker
from tests.support.store import in_background
from tests.workers.processes import wait_until

PATIENCE_SECONDS = 30.0


class Ending:
    """A worker process with a flow `stuck`. When an operator ends a handler of this flow, `abort_process` waits for the
    event `gate` before it writes anything."""

    def __init__(self, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
        self.worker, self.services = worker, worker.services
        self.entered, self.may_return = threading.Event(), threading.Event()
        self.at_the_gate, self.gate, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.called: list[str] = []
        self.aborts: Future[None] | None = None
        write_in = Run.write_in

        def wait_and_write(run: Run, *arguments: Any, again: bool = False, **options: bool) -> Any:
            if again:  # in these tests, only the end of a process passes `again`
                self.at_the_gate.set()
                assert self.gate.wait(PATIENCE_SECONDS)
            return write_in(run, *arguments, again=again, **options)

        monkeypatch.setattr(Run, "write_in", wait_and_write)
        monkeypatch.setattr(aborting, "end_process", self.ended.set)
        self.stuck = worker.declare(self.handle, name="stuck", max_retries=0)
        worker.declare(self.called.append, name="other")
        worker.enqueue("stuck", ["stuck"])

    def handle(self, payload: str) -> None:
        self.entered.set()
        assert self.may_return.wait(PATIENCE_SECONDS)

    def begin(self) -> None:
        """Call this while the handler runs. Returns when the process has begun to end."""
        assert self.entered.wait(PATIENCE_SECONDS)
        current = self.services.current_run
        assert current is not None
        assert current.handlers is not None
        in_hand = current.handlers.oldest()
        assert in_hand is not None
        request = EndRequest(in_hand.record_id, in_hand.claim_number, "ops", None)
        self.aborts = in_background(lambda: current.handlers.end(request) if current.handlers else None)
        assert self.at_the_gate.wait(PATIENCE_SECONDS)

    def finish(self) -> None:
        self.gate.set()
        assert self.aborts is not None
        self.aborts.result(PATIENCE_SECONDS)
        assert self.ended.is_set()

    def end_of_test(self) -> None:
        """Lets the waiting threads go on to their end. In a worker, they would end with the process, but the process of
        a test goes on."""
        self.may_return.set()
        self.gate.set()
        if self.aborts is not None:  # later, `end_process` would end the process of the test
            self.aborts.result(PATIENCE_SECONDS)
        self.services.is_ending = False


@pytest.fixture
def ending(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ending]:
    services = worker.services
    services.slots = SharedSlots()
    services.slots.make_ready()
    services.celery_queues = [celery_queue_name("flows")]
    services.hints = SimpleNamespace(  # type: ignore[assignment]
        is_broker_reachable=lambda: False, send=lambda *_: False, started=lambda *_: None, failed_count=0
    )
    monkeypatch.setattr(waiting_flows, "MANY_FLOWS", 1)
    monkeypatch.setattr(idle_poll, "BROKER_AWAY_POLL_SECONDS", 0.001)
    for module in (hint_module, services_module):
        monkeypatch.setattr(module, "worker_services", lambda: services)
    other_tasks.watch_other_tasks()
    ending = Ending(worker, monkeypatch)
    yield ending
    ending.end_of_test()
    signals.task_prerun.disconnect(dispatch_uid="processing_queue.begin")
    signals.task_postrun.disconnect(dispatch_uid="processing_queue.end")


def by_a_hint(worker: Worker) -> None:
    hint_module.claim_batch("other")


def by_a_walk(worker: Worker) -> None:
    waiting_flows.run_waiting_flows(worker.services)


def by_the_idle_poll(worker: Worker) -> None:
    pauses: list[int] = []
    worker.services.hints.is_broker_reachable = lambda: bool(pauses.append(1))  # type: ignore[method-assign]
    poll = idle_poll.IdlePoll(worker.services)
    poll.start()
    wait_until(lambda: len(pauses) >= 3, "two looks at the waiting flows")
    poll.end(PATIENCE_SECONDS)


@pytest.mark.parametrize("look", [by_a_hint, by_a_walk, by_the_idle_poll])
def test_the_handler_returns_and_no_run_of_another_flow_begins(
    ending: Ending, look: Callable[[Worker], None]
) -> None:
    worker = ending.worker
    running = in_background(lambda: hint_module.claim_batch("stuck"))
    ending.begin()
    worker.enqueue("other", ["other"])
    ending.may_return.set()
    wait_until(lambda: worker.services.current_run is None, "the end of the run")
    look(worker)
    assert ending.called == []
    ending.finish()
    assert not running.done()  # the child takes no further message
    ending.end_of_test()
    running.result(PATIENCE_SECONDS)
    assert worker.query("SELECT status FROM processing_queue WHERE flow_name = 'other'") == [("pending",)]


class ApplicationTask:
    name = "application.task"
    request = SimpleNamespace(is_eager=False, durable=None)


@pytest.mark.parametrize("task", [fan_out, ApplicationTask()])
def test_no_task_begins(ending: Ending, monkeypatch: pytest.MonkeyPatch, task: Any) -> None:
    wait, waits = WorkerServices.wait_while_ending, threading.Event()

    def note_and_wait(services: WorkerServices) -> None:
        waits.set()
        wait(services)

    running = in_background(lambda: run_flow(ending.services, ending.stuck))
    ending.begin()
    monkeypatch.setattr(WorkerServices, "wait_while_ending", note_and_wait)
    beginning = in_background(lambda: signals.task_prerun.send(sender=task, task=task))
    assert waits.wait(PATIENCE_SECONDS)
    ending.may_return.set()
    running.result(PATIENCE_SECONDS)
    ending.finish()
    assert not beginning.done()
    ending.end_of_test()
    beginning.result(PATIENCE_SECONDS)
    signals.task_postrun.send(sender=task, task=task)


class LockOfTheLastMoment:
    """When a thread first acquires this lock, the process begins to end."""

    def __init__(self, services: WorkerServices) -> None:
        self.lock = threading.Lock()
        self._services, self._is_first = services, True
        self.release = self.lock.release

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._is_first:
            self._is_first, self._services.is_ending = False, True
        return self.lock.acquire(blocking, timeout)


def test_a_task_that_comes_at_the_last_moment_leaves_the_lock_to_the_end(
    ending: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait, waits = WorkerServices.wait_while_ending, threading.Event()

    def note_and_wait(services: WorkerServices) -> None:
        if services.is_ending:
            waits.set()
        wait(services)

    monkeypatch.setattr(WorkerServices, "wait_while_ending", note_and_wait)
    ending.services.run_lock = lock = LockOfTheLastMoment(ending.services)  # type: ignore[assignment]
    task = ApplicationTask()
    beginning = in_background(lambda: signals.task_prerun.send(sender=task, task=task))
    assert waits.wait(PATIENCE_SECONDS)
    assert lock.acquire(timeout=PATIENCE_SECONDS)
    assert not beginning.done()
    lock.release()
    ending.end_of_test()
    beginning.result(PATIENCE_SECONDS)
    signals.task_postrun.send(sender=task, task=task)


class WatchedLock:
    """`is_wanted` is set when a thread waits for the lock with a time-out."""

    def __init__(self) -> None:
        self.lock, self.is_wanted = threading.Lock(), threading.Event()
        self.release = self.lock.release

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if timeout > 0:
            self.is_wanted.set()
        return self.lock.acquire(blocking, timeout)


def test_a_task_that_began_before_is_finished(ending: Ending, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is in the thread `idle_poll`, and the task is in the main thread."""
    monkeypatch.setattr(aborting, "OTHER_WORK_SECONDS", PATIENCE_SECONDS)
    ending.services.task_lock = lock = WatchedLock()  # type: ignore[assignment]
    signals.task_prerun.send(sender=fan_out, task=fan_out)
    in_background(lambda: run_flow(ending.services, ending.stuck))
    ending.begin()
    ending.gate.set()
    assert lock.is_wanted.wait(PATIENCE_SECONDS)
    assert not ending.ended.is_set()
    signals.task_postrun.send(sender=fan_out, task=fan_out)
    ending.finish()


def test_the_process_does_not_wait_endlessly_for_a_task(
    ending: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aborting, "OTHER_WORK_SECONDS", 0.05)
    signals.task_prerun.send(sender=fan_out, task=fan_out)
    in_background(lambda: run_flow(ending.services, ending.stuck))
    ending.begin()
    ending.gate.set()
    ending.finish()
    signals.task_postrun.send(sender=fan_out, task=fan_out)


def test_a_run_that_began_before_gives_back_what_it_has_not_started(
    ending: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process begins to end because of a stuck handler only after that handler's run is over. By then, the process
    already works on another run."""
    monkeypatch.setattr(aborting, "OTHER_WORK_SECONDS", PATIENCE_SECONDS)
    worker, services = ending.worker, ending.services
    worker.enqueue("stuck", ["second"])
    in_background(lambda: hint_module.claim_batch("stuck"))
    assert ending.entered.wait(PATIENCE_SECONDS)
    ending.gate.set()
    ended = CurrentRun(new_run(services, ending.stuck))
    ending.aborts = in_background(lambda: aborting.abort_process(services, ending.stuck, ended, list, []))
    current = services.current_run
    assert current is not None
    wait_until(lambda: current.is_in_the_way, "the request to the run")
    assert not ending.ended.is_set()
    ending.may_return.set()
    ending.finish()
    assert worker.statuses() == {"completed": 1, "pending": 1}


def test_while_its_run_waits_for_the_end_no_further_handler_begins(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads execute handlers. The run is lost when three records have been started and one has not."""
    may_return, called, threads = threading.Event(), list[int](), set[threading.Thread]()

    def handle(payload: int) -> None:
        called.append(payload)
        threads.add(threading.current_thread())
        assert payload == 0 or may_return.wait(PATIENCE_SECONDS)

    def lose(*_: Any, **__: Any) -> None:
        wait_until(lambda: len(called) == 3, "the third handler")
        raise RunLostError("the process ends")

    def wait(_: WorkerServices) -> None:
        may_return.set()
        wait_until(lambda: 3 in called or not any(thread.is_alive() for thread in threads), "the threads")

    monkeypatch.setattr(Run, "write", lose)
    monkeypatch.setattr(WorkerServices, "wait_while_ending", wait)
    worker.services.settings = replace(worker.services.settings, micro_batch_seconds=0)
    flow = worker.declare(handle, name="sample", concurrency=2)
    worker.enqueue("sample", range(4))
    worker.run(flow)
    assert sorted(called) == [0, 1, 2]

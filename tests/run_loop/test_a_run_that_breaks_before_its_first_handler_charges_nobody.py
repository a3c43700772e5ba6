"""If a run breaks after it has claimed records, but before it calls a handler, the run ends and its records are given
back. If the run did not end, it would be declared dead, and a lone record would get a crash strike."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from queue_store.queue_schema import celery_queue_name
from tasks import claim_batch as hint_module
from tasks.background.idle_poll import IdlePoll
from tasks.run_loop import waiting_flows
from tasks.run_loop.loop import run_flow
from tasks.worker.shared_slots import SharedSlots
from tests.support.flow_runs import Worker
from tests.workers.processes import wait_until

ENDED = "SELECT 1 FROM flow_execution_logs WHERE state = 'ended'"
STATES = "SELECT DISTINCT state FROM flow_execution_logs"
COUNTS = "SELECT DISTINCT status, retry_count, crash_strikes, unfinished_claims FROM processing_queue"


def plainly(worker: Worker) -> None:
    with pytest.raises(RuntimeError, match="new thread"):
        run_flow(worker.services, worker.services.flows["sample"])


def by_a_hint(worker: Worker) -> None:
    hint_module.claim_batch("sample")


def by_the_idle_poll(worker: Worker) -> None:
    worker.query("UPDATE processing_queue SET scheduled_at = scheduled_at - interval '1 hour'")
    poll = IdlePoll(worker.services)
    poll.start()
    try:
        wait_until(lambda: bool(worker.query(ENDED)), "the end of the run")
    finally:
        poll.end(20)


def by_a_walk(worker: Worker) -> None:
    with pytest.raises(RuntimeError, match="new thread"):
        waiting_flows.run_waiting_flows(worker.services)


async def wait(payload: Any) -> None: ...


def work(payload: Any) -> None: ...


FLOWS: dict[str, tuple[str, Callable[..., Any], dict[str, Any]]] = {
    "a time limit": ("stuck_handlers", work, {"time_limit_seconds": 60}),
    "concurrency": ("handler 1", work, {"concurrency": 2}),
    "async": ("event_loop", wait, {}),
}


@pytest.fixture
def ready(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> Worker:
    services = worker.services
    services.slots = SharedSlots()
    services.slots.make_ready()
    services.celery_queues = [celery_queue_name("flows")]
    services.hints = SimpleNamespace(  # type: ignore[assignment]
        is_broker_reachable=lambda: False, send=lambda *_: False, started=lambda *_: None, failed_count=0
    )
    monkeypatch.setattr(waiting_flows, "MANY_FLOWS", 1)
    monkeypatch.setattr(hint_module, "worker_services", lambda: services)
    return worker


def check_that_nobody_is_charged(worker: Worker) -> None:
    assert worker.query(STATES) == [("ended",)]
    assert worker.services.current_run is None
    worker.services.rescue.sweep()
    assert worker.query(COUNTS) == [("pending", 0, 0, 0)]


@pytest.mark.parametrize("start", [plainly, by_a_hint, by_the_idle_poll, by_a_walk])
@pytest.mark.parametrize("kind", FLOWS)
def test_if_no_thread_can_be_started(
    ready: Worker, monkeypatch: pytest.MonkeyPatch, kind: str, start: Callable[[Worker], None]
) -> None:
    name, handler, options = FLOWS[kind]
    start_thread = threading.Thread.start

    def start_or_fail(thread: threading.Thread) -> None:
        if thread.name == name:
            raise RuntimeError("can't start new thread")
        start_thread(thread)

    flow = ready.declare(handler, name="sample", **options)
    ready.enqueue("sample", [1])
    threads = threading.active_count()
    with monkeypatch.context() as starved:
        starved.setattr(threading.Thread, "start", start_or_fail)
        start(ready)
    check_that_nobody_is_charged(ready)
    wait_until(lambda: threading.active_count() <= threads, "the end of the threads of the run")
    ready.run(flow)
    assert ready.statuses() == {"completed": 1}


def test_if_its_observer_breaks(ready: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: Any) -> None:
        raise RuntimeError("no new thread for the spans")

    ready.declare(work, name="sample")
    ready.enqueue("sample", [1])
    monkeypatch.setattr("tasks.run_loop.loop.observer", lambda: SimpleNamespace(run=breaks))
    plainly(ready)
    check_that_nobody_is_charged(ready)

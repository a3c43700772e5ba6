"""While no hint can be sent, a run still ends when its time slice is over and other flows wait. The idle poll begins
the run of the next flow at once, so hardly any time is lost."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from queue_store.queue_schema import celery_queue_name
from tasks.background.idle_poll import IdlePoll
from tasks.run_loop import time_slice
from tasks.worker.shared_slots import SharedSlots
from tests.support.flow_runs import Worker
from tests.workers.processes import wait_until

SLICE_SECONDS = 5.0


class NoHints:
    """A broker that takes no hints. `is_reachable`: two values: whether the broker answers a ping before the first hint
    fails, and whether it answers a ping after that. A full broker answers a ping, but takes no hints."""

    def __init__(self, *is_reachable: bool) -> None:
        self._is_reachable = is_reachable or (False, False)
        self.failed_count = 0

    def is_broker_reachable(self) -> bool:
        return self._is_reachable[self.failed_count > 0]

    def send(self, *_: Any) -> bool:
        self.failed_count += 1
        return False


class Shift:
    """A worker with a fake clock for its time slices. By this clock, each handler takes a whole time slice."""

    def __init__(self, worker: Worker, monkeypatch: pytest.MonkeyPatch, hints: NoHints) -> None:
        self.worker, self.services, self.called = worker, worker.services, list[str]()
        self._now = 0.0
        monkeypatch.setattr(time_slice, "time", SimpleNamespace(monotonic=lambda: self._now))
        services = self.services
        services.hints = hints  # type: ignore[assignment]
        services.slots = SharedSlots()
        services.slots.make_ready()
        services.celery_queues = [celery_queue_name("flows")]
        services.settings = replace(services.settings, time_slice_seconds=SLICE_SECONDS)

    def declare(self, name: str, records: int) -> Any:
        def handle(payload: Any) -> None:
            self.called.append(name)
            self._now += SLICE_SECONDS

        flow = self.worker.declare(handle, name=name)
        self.worker.enqueue(name, range(records))
        self.worker.query("UPDATE processing_queue SET scheduled_at = now() - interval '3 hours'")
        return flow

    def poll_until(self, count: int) -> None:
        poll = IdlePoll(self.services)
        poll.start()
        try:
            wait_until(lambda: len(self.called) == count, "all records")
        finally:
            poll.end(20)


def test_two_flows_take_turns(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    shift = Shift(worker, monkeypatch, NoHints())
    for name in "ab":
        shift.declare(name, 3)
    shift.poll_until(6)
    assert "".join(shift.called) in ("ababab", "bababa")
    assert worker.statuses() == {"completed": 6}


def test_a_run_sends_no_further_hint_after_one_has_failed(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each failed hint may cost a time-out."""
    hints = NoHints()
    shift = Shift(worker, monkeypatch, hints)
    flow = shift.declare("a", 3)
    for name in "bcdef":
        shift.declare(name, 1)
    worker.run(flow)
    assert (shift.called, hints.failed_count) == (["a"], 1)


def test_the_next_run_begins_at_once_after_a_run_whose_hint_has_failed(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the idle poll made its ordinary pause after the first run, the second run would begin an hour later or
    more."""
    shift = Shift(worker, monkeypatch, NoHints(False, True))
    worker.services.settings = replace(worker.services.settings, idle_poll_seconds=7200)
    for name in "ab":
        shift.declare(name, 2)
    shift.poll_until(4)
    assert worker.statuses() == {"completed": 4}


def test_a_run_of_the_only_waiting_flow_goes_on(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    shift = Shift(worker, monkeypatch, NoHints())
    flow = shift.declare("a", 3)
    worker.run(flow)
    assert worker.statuses() == {"completed": 3}

"""A process that ends because of a stuck handler counts as alive until its other work is done. The heartbeat does not
end the process earlier, even if the process uses too much memory. Afterwards, the heartbeat does not register the
process again."""

from collections.abc import Iterator
from typing import Any

import pytest

from queue_store.errors import DatabaseUnavailableError
from queue_store.liveness import worker_processes
from tasks.background import recycling
from tasks.background.heartbeat import Heartbeat
from tasks.run_loop import abort_process as aborting
from tests.run_loop.test_abort_process import abort, ended as ended  # noqa: PLC0414  (a fixture)
from tests.support.flow_runs import Worker

STATES = "SELECT state FROM worker_processes"


@pytest.fixture(autouse=True)
def ending(worker: Worker) -> Iterator[None]:
    yield
    worker.services.is_ending = False


def test_the_process_counts_as_alive_while_it_waits_for_other_work(
    worker: Worker, ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    states: list[Any] = []

    def wait(*_: object) -> None:
        states.extend(worker.query(STATES))

    monkeypatch.setattr(aborting, "_wait_for_other_work", wait)
    abort(worker)
    assert states == [("running",)]
    assert ended == ["ended"]
    assert worker.query(STATES) == [("ended",)]


def test_its_heartbeat_registers_no_other_process(worker: Worker, ended: list[str]) -> None:
    heartbeat = Heartbeat(worker.services)
    heartbeat.beat()
    abort(worker)
    for _ in range(2):
        heartbeat.beat()
    assert ended == ["ended"]
    assert worker.query(STATES) == [("ended",)]


def test_its_memory_does_not_end_it_earlier(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[int] = []
    monkeypatch.setattr(recycling, "_end", lambda *_: ends.append(1))
    worker.services.is_full = worker.services.is_ending = True
    recycling.recycle_when_full(worker.services, 0)
    assert not ends
    assert not worker.services.run_lock.locked()


def test_the_process_ends_even_if_the_database_does_not_answer(
    worker: Worker, ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise DatabaseUnavailableError("it is away")

    with monkeypatch.context() as patched:
        patched.setattr(worker_processes, "end", away)
        abort(worker)
    assert ended == ["ended"]
    assert worker.query(STATES) == [("running",)]

"""The number of handlers that run at the same time reaches the flow's `concurrency`, and never exceeds it. The handlers
get records of the next batch before the current batch is finished."""

import asyncio
import threading
import time
from typing import Any

import pytest

from queue_store.settings import ProcessorSettings
from tasks.run_loop.concurrent_execution import low_water
from tests.support.flow_runs import Worker, running_worker
from tests.workers.processes import wait_until


class Gauge:
    def __init__(self) -> None:
        self.now = self.most = 0
        self.lock = threading.Lock()

    def __enter__(self) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.now -= 1


@pytest.fixture
def gauge() -> Gauge:
    return Gauge()


def handlers(gauge: Gauge, concurrency: int) -> list[Any]:
    """Each handler waits until `concurrency` handlers have been running at the same time. So the test also works on a
    slow machine."""

    def in_threads(payload: Any) -> None:
        with gauge:
            wait_until(lambda: gauge.most >= concurrency, "the others")

    async def on_the_loop(payload: Any) -> None:
        with gauge:
            async with asyncio.timeout(20):
                while gauge.most < concurrency:  # noqa: ASYNC110 - gauges are shared with threads
                    await asyncio.sleep(0.001)

    return [in_threads, on_the_loop]


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_as_many_handlers_run_as_asked_for(worker: Worker, gauge: Gauge, kind: int, concurrency: int) -> None:
    handler = handlers(gauge, concurrency)[kind]
    rows = worker.process(handler, range(20), concurrency=concurrency, batch_size=3, max_retries=0)
    assert [row.status for row in rows] == ["completed"] * 20
    assert gauge.most == concurrency


@pytest.mark.parametrize("kind", [0, 1])
def test_the_next_batch_is_claimed_while_the_tail_of_the_last_still_runs(worker: Worker, kind: int) -> None:
    later = threading.Event()

    def in_threads(payload: int) -> None:
        if payload == 0:
            assert later.wait(30)
        elif payload >= 10:
            later.set()

    async def on_the_loop(payload: int) -> None:
        if payload == 0:
            for _ in range(1000):
                if later.is_set():
                    return
                await asyncio.sleep(0.01)
            raise TimeoutError
        in_threads(payload)

    rows = worker.process(
        [in_threads, on_the_loop][kind], range(20), concurrency=3, batch_size=5, max_retries=0
    )
    assert [row.status for row in rows] == ["completed"] * 20


def test_claiming_ahead_is_bounded(worker: Worker) -> None:
    release, claimed = threading.Event(), []

    def hold(payload: int) -> None:
        if payload == 0:
            time.sleep(0.3)  # in this time, the feeding thread checks several times whether to claim
            claimed.append(
                worker.query("SELECT count(*) FROM processing_queue WHERE status = 'processing'")[0].count
            )
            release.set()
        release.wait(30)

    worker.process(hold, range(200), concurrency=2, batch_size=10)
    assert 2 < claimed[0] <= 2 + low_water(2, 10) + 10


def test_a_stop_gives_back_what_was_not_started(worker: Worker) -> None:
    started: list[int] = []

    async def stop_soon(payload: int) -> None:
        started.append(payload)
        if payload == 5:
            worker.services.current_run.flow_is_closed = True  # type: ignore[union-attr]
        await asyncio.sleep(0.1)

    rows = worker.process(stop_soon, range(50), concurrency=3, batch_size=50)
    assert {row.status for row in rows} == {"completed", "pending"}
    assert [row.status for row in rows].count("completed") == len(started) < 50
    assert all(row.retry_count == 0 for row in rows)


def test_a_blocked_loop_does_not_keep_finished_records_from_being_written(
    clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_worker(clean_database_url, monkeypatch, micro_batch_seconds=0.05) as worker:
        written: list[int] = []

        async def block(payload: int) -> None:
            if payload == 9:
                deadline = time.monotonic() + 30
                while time.monotonic() < deadline and len(written) < 1:
                    time.sleep(0.1)  # noqa: ASYNC251
                    count = worker.query("SELECT count(*) FROM processing_queue WHERE status = 'completed'")
                    if count[0].count == 9:
                        written.append(1)

        worker.process(block, range(10), concurrency=1)
        assert written == [1]


def test_what_a_handler_does_to_its_task_ends_with_it(worker: Worker) -> None:
    async def cancel_all(payload: int) -> None:
        if payload == 0:
            for task in asyncio.all_tasks():
                task.cancel()
        await asyncio.sleep(0.001)

    rows = worker.process(cancel_all, range(10), concurrency=3, max_retries=0)
    assert {row.status for row in rows} == {"completed", "failed"}
    assert [row.status for row in rows][5:] == ["completed"] * 5


def test_a_handler_that_breaks_the_loop_is_survived(worker: Worker) -> None:
    async def exit_in_a_task() -> None:
        raise SystemExit(3)

    async def leave_a_bomb(payload: int) -> None:
        if payload == 1:
            task = asyncio.create_task(exit_in_a_task())
            del task
        await asyncio.sleep(0.001)

    rows = worker.process(leave_a_bomb, range(5))
    assert [row.status for row in rows] == ["completed"] * 5


def test_order_within_a_key_holds_for_concurrent_handlers(worker: Worker) -> None:
    order: list[tuple[str, int]] = []

    async def note(payload: Any) -> None:
        await asyncio.sleep(0.002)
        order.append((payload[0], payload[1]))

    flow = worker.declare(note, concurrency=8, batch_size=4)
    for number in range(6):
        for key in "abc":
            worker.enqueue("note", [[key, number]], order_key=key)
    worker.run(flow)
    for key in "abc":
        assert [number for k, number in order if k == key] == list(range(6))


def test_the_default_batch_size_comes_from_the_settings(worker: Worker) -> None:
    flow = worker.declare(lambda payload: None, name="sized")
    assert flow.batch_size_or_default(ProcessorSettings(batch_size=7)) == 7

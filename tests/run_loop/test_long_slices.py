"""If a slice becomes long, the run claims the slice's records while a handler runs. So the slice's locks are soon
released."""

import asyncio
import threading

import pytest

from tasks import FlowContext
from tasks.worker import slice_watch
from tasks.worker.quick_batches import ENOUGH_BATCHES
from tasks.worker.slice_watch import SliceWatch
from tests.support.express import PATIENCE_SECONDS, Seen
from tests.support.flow_runs import Worker

REPLACE = """
SELECT what FROM enqueue_or_explain('sample', '{"new": 1}', NULL, NULL, NULL, 'd', 'replace', NULL, NULL, NULL, false)
"""


@pytest.mark.usefixtures("soon_long")
@pytest.mark.parametrize("is_async", [False, True])
def test_a_slice_that_becomes_long_is_claimed_while_its_handler_runs(
    worker: Worker, seen: Seen, is_async: bool
) -> None:
    long_ids: list[int] = []

    def handle(payload: int, context: FlowContext) -> None:
        if payload == 5:
            long_ids.append(context.record_id)
            seen.wait_until_claimed(context.record_id)
        seen.look([context.record_id])

    async def handle_async(payload: int, context: FlowContext) -> None:
        await asyncio.to_thread(handle, payload, context)

    flow = worker.declare(handle_async if is_async else handle, name="sample", batch_size=4, express=True)
    record_ids = worker.enqueue("sample", range(8))
    counts = worker.run(flow)
    assert long_ids == [record_ids[5]]
    assert seen.statuses[5:] == ["processing"] * 3
    assert {(row.status, row.claim_number) for row in worker.rows(record_ids)} == {("completed", 1)}
    assert (counts.records_claimed, counts.records_completed, counts.records_refused) == (8, 8, 0)
    assert worker.services.quick_batches["sample"].wanted == 2 * ENOUGH_BATCHES
    assert worker.query("SELECT sum(claimed) AS n FROM rollup_deltas")[0].n == 8


@pytest.mark.usefixtures("soon_long")
def test_a_batch_handler_that_becomes_long_has_its_records_claimed(worker: Worker, seen: Seen) -> None:
    def handle(records: list[FlowContext]) -> None:
        if records[0].payload == 4:
            seen.wait_until_claimed(records[-1].record_id)
        seen.look([record.record_id for record in records])

    flow = worker.declare(handle, name="sample", batch=True, batch_size=4, express=True)
    record_ids = worker.enqueue("sample", range(8))
    worker.run(flow)
    assert seen.statuses == ["processing"] * 8
    assert {(row.status, row.claim_number) for row in worker.rows(record_ids)} == {("completed", 1)}


@pytest.mark.usefixtures("soon_long")
def test_a_handler_that_replaces_its_own_record_hears_that_it_is_running(worker: Worker) -> None:
    answers: list[str] = []

    def handle(payload: int) -> None:
        if payload == 3:
            answers.append(worker.query(REPLACE)[0].what)

    flow = worker.declare(handle, name="sample", batch_size=2, express=True)
    record_ids = worker.enqueue("sample", range(4))
    worker.query("UPDATE processing_queue SET dedup_key = 'd' WHERE id = %(id)s", id=record_ids[3])
    worker.run(flow)
    assert answers == ["running"]
    assert worker.statuses() == {"completed": 4}


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("is_async", [False, True])
def test_progress_claims_the_slice_first(worker: Worker, seen: Seen, is_async: bool) -> None:
    def handle(payload: int, context: FlowContext) -> None:
        if payload == 3:
            assert context.report_progress({"share": 0.5})
        seen.look([context.record_id])

    async def handle_async(payload: int, context: FlowContext) -> None:
        if payload == 3:
            assert await context.report_progress_async({"share": 0.5})
        await asyncio.to_thread(seen.look, [context.record_id])

    flow = worker.declare(handle_async if is_async else handle, name="sample", batch_size=2, express=True)
    record_ids = worker.enqueue("sample", range(4))
    worker.run(flow)
    assert seen.statuses == ["processing", "processing", "pending", "processing"]
    assert worker.query("SELECT record_id, progress FROM record_progress") == [
        (record_ids[3], {"share": 0.5})
    ]
    assert worker.statuses() == {"completed": 4}


@pytest.mark.usefixtures("at_once")
def test_one_thread_watches_the_slices_of_all_runs_until_the_process_ends(worker: Worker) -> None:
    flow = worker.declare(lambda payload: None, name="sample", batch_size=2, express=True)
    before = set(threading.enumerate())
    for _ in range(2):
        worker.enqueue("sample", range(6))
        worker.run(flow)
    [watching] = [thread for thread in set(threading.enumerate()) - before if thread.name == "express"]
    worker.services.slice_watch.end()
    watching.join(PATIENCE_SECONDS)
    assert not watching.is_alive()


def test_a_slice_that_begins_while_the_watching_thread_rests_is_watched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rests = threading.Semaphore(0)

    class Needed(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            rests.release()
            return super().wait(timeout)

    monkeypatch.setattr(slice_watch, "LOOKS_BEFORE_REST", 1)
    watch = SliceWatch()
    monkeypatch.setattr(watch, "_is_needed", Needed())
    try:
        watch.watch(lambda: None, seconds=0)
        assert rests.acquire(timeout=PATIENCE_SECONDS)  # the thread has begun
        for _ in range(2):
            watch.forget()
            assert rests.acquire(timeout=PATIENCE_SECONDS)
            was_claimed = threading.Semaphore(0)
            watch.watch(was_claimed.release, seconds=0)
            assert was_claimed.acquire(timeout=PATIENCE_SECONDS)
    finally:
        watch.end()

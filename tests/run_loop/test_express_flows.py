"""Tests of which flows become express, and of the size of their slices."""

from typing import Any

import pytest

from tasks import FlowContext, FlowDeclarationError, PermanentError
from tasks.worker import quick_batches
from tasks.worker.quick_batches import ENOUGH_BATCHES, QuickBatches
from tests.support.express import KINDS, Seen, plain
from tests.support.flow_runs import Worker


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_a_flow_that_does_not_want_it_is_claimed_as_always(
    worker: Worker, seen: Seen, kind: Any, options: Any
) -> None:
    flow = worker.declare(kind(seen), name="sample", batch_size=5, express=False, **options)
    worker.enqueue("sample", range(12))
    worker.run(flow)
    assert seen.statuses == ["processing"] * 12


@pytest.mark.usefixtures("never_long", "by_itself")
def test_a_flow_is_express_after_enough_quick_batches_and_stays_so(worker: Worker, seen: Seen) -> None:
    flow = worker.declare(plain(seen), name="sample", batch_size=2)
    worker.enqueue("sample", range(10))
    worker.run(flow)
    claimed = 2 * ENOUGH_BATCHES
    assert seen.statuses == ["processing"] * claimed + ["pending"] * (10 - claimed)
    worker.enqueue("sample", range(4))
    worker.run(flow)
    assert seen.statuses[10:] == ["processing"] * 2 + ["pending"] * 2


@pytest.mark.usefixtures("never_long", "by_itself")
def test_slow_batches_keep_a_flow_from_being_express(
    worker: Worker, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick_batches, "LONG_SECONDS", 0.0)
    flow = worker.declare(plain(seen), name="sample", batch_size=1)
    worker.enqueue("sample", range(8))
    worker.run(flow)
    assert seen.statuses == ["processing"] * 8


@pytest.mark.usefixtures("never_long", "by_itself")
def test_failures_keep_a_flow_from_being_express(worker: Worker, seen: Seen) -> None:
    def handle(payload: int, context: FlowContext) -> None:
        seen.look([context.record_id])
        if payload % ENOUGH_BATCHES == 0:
            raise PermanentError

    flow = worker.declare(handle, name="sample", batch_size=1)
    worker.enqueue("sample", range(9))
    worker.run(flow)
    assert seen.statuses == ["processing"] * 9


def test_a_flow_that_is_thrown_back_is_tried_less_and_less_often() -> None:
    quick = QuickBatches()
    batches = []
    for _ in range(12):
        count = 0
        while not quick.are_enough:
            quick.note_batch(0.001, is_clean=True)
            count += 1
        batches.append(count)
        quick.note_thrown_back()
    assert batches[:4] == [3, 6, 12, 24]
    assert batches[-1] == 1_000
    for _ in range(1_000):
        quick.note_slice(0.001, 100)
    assert quick.wanted == ENOUGH_BATCHES


def test_slices_grow_while_they_are_short_and_shrink_before_they_are_long() -> None:
    quick = QuickBatches()
    quick.note_slice(0.001, 100)
    assert quick.slice_size == 200
    quick.note_slice(0.03, 200)
    assert quick.slice_size == 200
    quick.note_slice(0.06, 200)
    assert quick.slice_size == 100


@pytest.mark.usefixtures("at_once")
def test_a_batch_size_that_somebody_set_is_obeyed(worker: Worker) -> None:
    sizes: dict[str, list[int]] = {}

    def handle(records: list[FlowContext]) -> None:
        sizes.setdefault(records[0].flow_name, []).append(len(records))

    for name, options in [("free", {}), ("bound", {"batch_size": 100})]:
        worker.services.quick_batches[name].slice_size = 300
        flow = worker.declare(handle, name=name, batch=True, express=True, **options)
        worker.enqueue(name, range(350))
        worker.run(flow)
    assert sizes["free"][:2] == [100, 250]
    assert sizes["bound"] == [100, 100, 100, 50]


@pytest.mark.usefixtures("at_once")
def test_a_flow_of_which_a_run_died_is_claimed_as_always(worker: Worker, seen: Seen) -> None:
    worker.query(
        "INSERT INTO flow_execution_logs (flow_instance_id, flow_name, worker_process_id, state, finished_at)"
        " VALUES (gen_random_uuid(), 'sample', gen_random_uuid(), 'dead', now())"
    )
    flow = worker.declare(plain(seen), name="sample", batch_size=2, express=True)
    worker.enqueue("sample", range(6))
    worker.run(flow)
    assert seen.statuses == ["processing"] * 6


@pytest.mark.parametrize("options", [{"concurrency": 2}, {"express": "yes"}])
def test_a_flow_that_cannot_be_express_is_refused(worker: Worker, options: Any) -> None:
    with pytest.raises(FlowDeclarationError, match="express"):
        worker.declare(lambda payload: None, name="sample", **({"express": True} | options))

"""A slice grows beyond an ordinary batch only if enough records are left for the idle processes."""

from dataclasses import replace
from typing import Any

import pytest

from tasks import FlowContext
from tasks.run_loop import slice_size
from tasks.worker import quick_batches
from tests.support.express import Seen
from tests.support.flow_runs import Worker

ORDINARY = 100
IDLE = """
INSERT INTO worker_processes (worker_process_id, worker_id, hostname, pid, flow_names)
SELECT gen_random_uuid(), gen_random_uuid(), 'host', n, '{sample}' FROM generate_series(1, %(count)s) n
"""


@pytest.fixture
def always_quick(at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices do not shrink, however slow this machine is."""
    monkeypatch.setattr(quick_batches, "LONG_SECONDS", 600.0)


def sizes_of(worker: Worker, due: int) -> list[int]:
    """The sizes of the first batch, which is claimed, and of the slices after it."""
    sizes: list[int] = []

    def handle(records: list[FlowContext]) -> None:
        sizes.append(len(records))

    worker.services.quick_batches["sample"].slice_size = 500
    flow = worker.declare(handle, name="sample", batch=True, express=True)
    worker.enqueue("sample", range(due))
    worker.run(flow)
    return sizes


@pytest.mark.usefixtures("always_quick")
def test_alone_it_takes_everything(worker: Worker) -> None:
    assert sizes_of(worker, 520) == [ORDINARY, 420]


@pytest.mark.usefixtures("always_quick")
def test_a_slice_is_a_fair_part_while_others_are_idle(worker: Worker) -> None:
    worker.query(IDLE, count=2)
    assert sizes_of(worker, 700) == [ORDINARY, 200, 134, 100, 100, 66]


@pytest.mark.usefixtures("always_quick")
def test_a_slice_is_never_smaller_than_an_ordinary_batch(worker: Worker) -> None:
    worker.query(IDLE, count=9)
    assert sizes_of(worker, 330) == [ORDINARY, 100, 100, 30]


@pytest.mark.usefixtures("always_quick")
def test_where_nothing_was_left_over_nobody_counts(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_need(*_: object) -> None:
        raise AssertionError("counted what is due")

    monkeypatch.setattr(slice_size, "fair_part", no_need)
    assert sizes_of(worker, 60) == [60]


@pytest.mark.usefixtures("always_quick")
@pytest.mark.parametrize(("seconds", "count"), [(600.0, 1), (0.0, 5)])
def test_where_there_is_plenty_it_is_counted_now_and_then(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, seconds: float, count: int
) -> None:
    counted: list[int] = []
    count_due = slice_size.fair_part

    def counting(*arguments: Any) -> Any:
        counted.append(1)
        return count_due(*arguments)

    monkeypatch.setattr(slice_size, "PLENTY_SECONDS", seconds)
    monkeypatch.setattr(slice_size, "fair_part", counting)
    worker.services.settings = replace(worker.services.settings, express_batch_size=200)
    assert sizes_of(worker, 800) == [ORDINARY, 200, 200, 200, 100]
    assert len(counted) == count


@pytest.mark.usefixtures("soon_long")
def test_a_slice_that_becomes_long_keeps_one_batch_and_gives_back_the_rest(
    worker: Worker, seen: Seen
) -> None:
    left: list[int] = []

    def handle(payload: int, context: FlowContext) -> None:
        if payload == ORDINARY:  # the first record of the slice
            seen.wait_until_claimed(context.record_id)
        if payload == ORDINARY + 1:
            left.append(worker.statuses()["pending"])

    worker.services.quick_batches["sample"].slice_size = 300
    flow = worker.declare(handle, name="sample", express=True)
    record_ids = worker.enqueue("sample", range(400))
    counts = worker.run(flow)
    given_back = 300 - 1 - ORDINARY
    assert left == [given_back]
    assert counts.records_released >= given_back
    assert counts.records_refused == 0
    assert {row.status for row in worker.rows(record_ids)} == {"completed"}

"""The due records that follow a run's position are shared among the processes that could work on them now. A fair part
is the share of one process."""

from uuid import UUID, uuid4

import pytest

from queue_store.liveness import worker_processes
from queue_store.liveness.worker_processes import WorkerProcess
from queue_store.runs import fair_part as module
from queue_store.runs.fair_part import FairPart, fair_part
from tests.runs.test_express_slices import begun, held
from tests.support.store import Store, ids

MOST_EACH = 500


def idle_process(store: Store, *flow_names: str) -> UUID:
    process = WorkerProcess(uuid4(), "host", 1, flow_names=flow_names)
    with store.database.transaction() as cursor:
        worker_processes.register(cursor, process)
    return process.worker_process_id


def test_alone_it_is_everything(store: Store) -> None:
    run = begun(store)
    store.enqueue(7)
    assert fair_part(run, MOST_EACH) == FairPart(7, is_plenty=False, is_all=True)


def test_where_counting_stopped_it_is_not_everything(store: Store) -> None:
    run = begun(store)
    store.enqueue(7)
    assert fair_part(run, 7) == FairPart(7, is_plenty=True)


def test_idle_processes_that_serve_the_flow_have_a_part(store: Store) -> None:
    run = begun(store)
    store.enqueue(10)
    idle_process(store, "other", "sample")
    idle_process(store, "sample")
    assert fair_part(run, MOST_EACH).records == 4  # 10 divided by three, rounded up


def test_a_process_that_serves_other_flows_or_stops_has_none(store: Store) -> None:
    run = begun(store)
    store.enqueue(10)
    idle_process(store, "other")
    stopping = idle_process(store, "sample")
    store.execute("UPDATE worker_processes SET state = 'stopping' WHERE worker_process_id = %s", (stopping,))
    assert fair_part(run, MOST_EACH).records == 10


def test_a_process_that_is_busy_with_another_flow_has_none(store: Store) -> None:
    store.add_flow("other")
    run = begun(store)
    store.enqueue(10)
    store.enqueue(1, flow_name="other")
    stranger = store.run(flow_name="other")
    assert stranger.begin()
    store.execute("UPDATE worker_processes SET flow_names = ARRAY['sample', 'other']")
    assert fair_part(run, MOST_EACH).records == 10
    stranger.end()
    assert fair_part(run, MOST_EACH).records == 5


def test_other_runs_of_the_flow_have_a_part_and_share_what_is_held(store: Store) -> None:
    run, other = begun(store), begun(store)
    store.enqueue(10)
    assert fair_part(run, MOST_EACH).records == 5
    held(run, 5)
    assert fair_part(other, MOST_EACH).records == 5


def test_no_more_parts_than_the_flow_may_have_runs(store: Store) -> None:
    run = begun(store)
    store.enqueue(12)
    for _ in range(5):
        idle_process(store, "sample")
    store.execute("UPDATE flows SET max_runs = 3")
    assert fair_part(run, MOST_EACH).records == 4
    store.execute("UPDATE flows SET max_runs_override = 2")
    assert fair_part(run, MOST_EACH).records == 6


def test_what_is_due_is_counted_on_all_levels_and_nothing_else(store: Store) -> None:
    run = begun(store)
    for priority in (0, 5, 9):
        store.enqueue(2, priority=priority)
    store.enqueue(4, delay=3600)
    assert fair_part(run, MOST_EACH).records == 6
    assert len(ids(run.claim())) == 6
    assert fair_part(run, MOST_EACH).records == 0


@pytest.mark.parametrize(("count", "is_plenty"), [(19, False), (20, True), (30, True)])
def test_counting_stops_when_there_is_plenty_for_all(store: Store, count: int, is_plenty: bool) -> None:
    run = begun(store)
    idle_process(store, "sample")
    store.enqueue(count)
    assert fair_part(run, 10) == FairPart(10, is_plenty=is_plenty)


def test_counting_is_bounded_however_many_processes_there_are(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_COUNTED", 12)
    run = begun(store)
    for _ in range(3):
        idle_process(store, "sample")
    store.enqueue(100)
    assert fair_part(run, MOST_EACH) == FairPart(3, is_plenty=True)

"""A run of a waiting express flow begins with a slice if at least two batches are due. If the slice contained all due
records, one transaction writes its outcomes, ends the run and begins the next run."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection

from queue_store.errors import CommitUnknownError
from queue_store.queue_schema import celery_queue_name
from queue_store.runs.express import hold
from queue_store.runs.fair_part import fair_part
from queue_store.runs.run import Run
from queue_store.runs.succession import Succession
from tasks import FlowContext
from tasks.run_loop import waiting_flows
from tasks.run_loop.loop import new_run, run_flow
from tasks.worker import quick_batches
from tasks.worker.quick_batches import ENOUGH_BATCHES, QuickBatches
from tests.runs.test_lost_commits import lose_the_answer
from tests.support.flow_runs import Worker

BATCH_SIZE = 100
# A slice leaves its lock in the xmax of a completed record. If a record was claimed first, its xmax is 0 after its
# completion.
CLAIMED = "SELECT count(*) FROM processing_queue WHERE xmax::text = '0' AND status = 'completed'"
RUNS = "SELECT flow_name, state, batch_count, records_completed FROM flow_execution_logs ORDER BY started_at"

pytestmark = pytest.mark.usefixtures("at_once")


@pytest.fixture(autouse=True)
def many(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker behaves as if it had many flows. One slice may take all due records. No time slice ends."""
    monkeypatch.setattr(waiting_flows, "MANY_FLOWS", 1)
    monkeypatch.setattr(QuickBatches, "note_thrown_back", lambda _: None)
    monkeypatch.setattr(quick_batches, "LONG_SECONDS", 600.0)  # slices do not shrink on a slow machine
    services = worker.services
    services.settings = replace(services.settings, time_slice_seconds=600.0)


def fill(worker: Worker, due: int, name: str = "sample", handler: Any = None, **options: Any) -> None:
    worker.declare(handler or (lambda payload: None), name=name, **options)
    worker.enqueue(name, range(due))
    worker.services.quick_batches[name].slice_size = 500


def walk(worker: Worker) -> None:
    worker.services.celery_queues = [celery_queue_name("flows")]
    waiting_flows.run_waiting_flows(worker.services)
    assert worker.statuses().keys() == {"completed"}


def claimed(worker: Worker) -> int:
    return int(worker.query(CLAIMED)[0].count)


def test_if_two_batches_are_due_no_record_is_claimed(worker: Worker) -> None:
    fill(worker, 2 * BATCH_SIZE)
    walk(worker)
    assert claimed(worker) == 0
    assert worker.query(RUNS) == [("sample", "ended", 1, 2 * BATCH_SIZE)]


def test_if_fewer_are_due_a_whole_batch_is_claimed(worker: Worker) -> None:
    fill(worker, 2 * BATCH_SIZE - 1)
    walk(worker)
    assert claimed(worker) == BATCH_SIZE


def test_a_batch_handler_gets_a_whole_batch(worker: Worker) -> None:
    sizes: list[int] = []

    def handle(records: list[FlowContext]) -> None:
        sizes.append(len(records))

    fill(worker, 2 * BATCH_SIZE, handler=handle, batch=True)
    walk(worker)
    assert sizes == [BATCH_SIZE, BATCH_SIZE]


def test_a_batch_size_of_the_author_is_obeyed(worker: Worker) -> None:
    fill(worker, 100, batch_size=50)
    walk(worker)
    assert claimed(worker) == 50


def test_a_batch_size_of_an_operator_is_obeyed(worker: Worker) -> None:
    fill(worker, 100)
    worker.query("UPDATE flows SET batch_size_override = 50")
    worker.services.position("sample").batch_size = 50  # as if an earlier run had read it
    walk(worker)
    assert claimed(worker) == 50


def test_a_run_begins_with_a_slice_although_the_batch_size_has_changed(worker: Worker) -> None:
    fill(worker, 2 * BATCH_SIZE)
    worker.services.position("sample").batch_size = 50
    walk(worker)
    assert claimed(worker) == 0


def test_a_flow_whose_slice_failed_lately_claims_a_whole_batch(worker: Worker) -> None:
    """Only a claim can take the records that every slice refuses."""
    fill(worker, 2 * BATCH_SIZE)
    worker.services.quick_batches["sample"].wanted = ENOUGH_BATCHES + 1
    walk(worker)
    assert claimed(worker) == BATCH_SIZE


def test_suspects_come_first(worker: Worker) -> None:
    """The run begins with a claim, because the flow has suspects."""
    handled: list[int] = []
    fill(worker, 2 * BATCH_SIZE, handler=handled.append)
    last = range(2 * BATCH_SIZE - 3, 2 * BATCH_SIZE)
    worker.query(
        "UPDATE processing_queue SET batch_limit = 1 WHERE payload::int = ANY(%(last)s)", last=list(last)
    )
    walk(worker)
    assert handled[:3] == list(last)
    assert len(worker.query(RUNS)) == 1


def test_after_an_interrupted_slice_a_whole_batch_is_claimed(worker: Worker) -> None:
    """Only a claim can take the records that the interrupted slice did not start."""

    def stop_once(payload: int) -> None:
        if payload == 2:
            current = worker.services.current_run
            assert current is not None
            current.flow_is_closed = True

    fill(worker, 3 * BATCH_SIZE, handler=stop_once)
    worker.services.quick_batches["sample"].slice_size = BATCH_SIZE
    walk(worker)
    assert [row.state for row in worker.query(RUNS)] == ["ended", "ended"]
    assert claimed(worker) == BATCH_SIZE
    assert not worker.services.quick_batches["sample"].was_interrupted


def test_after_a_slice_that_left_due_records_another_slice_follows(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slices are still short at the start, so the first slice cannot take all due records."""
    monkeypatch.setattr("tasks.run_loop.waiting_flows.random.randrange", lambda count: 0)
    for name in ("a", "b"):
        fill(worker, 3 * BATCH_SIZE, name)
        worker.services.quick_batches[name].slice_size = BATCH_SIZE + 50
    walk(worker)
    assert claimed(worker) == 0
    assert worker.query(RUNS)[0] == ("a", "ended", 2, 3 * BATCH_SIZE)


@pytest.mark.parametrize("option", [{"express": False}, {"concurrency": 2}])
def test_a_flow_that_is_not_express_claims_whole_batches(worker: Worker, option: dict[str, Any]) -> None:
    fill(worker, 2 * BATCH_SIZE, **option)
    walk(worker)
    assert claimed(worker) == 2 * BATCH_SIZE
    assert worker.query(RUNS)[0].batch_count == 2


def test_a_flow_whose_batches_are_too_small_for_slices_claims_whole_batches(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.run_loop.express.FEWEST_RECORDS", BATCH_SIZE + 1)
    fill(worker, 2 * BATCH_SIZE)
    walk(worker)
    assert worker.query(RUNS)[0].batch_count == 2


def test_a_flow_with_order_keys_claims_whole_batches(worker: Worker) -> None:
    worker.services.position("sample").scan_keys_for(600.0)
    fill(worker, 2 * BATCH_SIZE)
    worker.query("UPDATE processing_queue SET order_key = id::text")
    walk(worker)
    assert worker.query(RUNS)[0].batch_count == 2


def test_a_batch_that_begins_at_the_level_that_has_waited_longest_is_whole(worker: Worker) -> None:
    """If this batch were smaller than other batches, records of low priority might wait much longer."""
    fill(worker, 2 * BATCH_SIZE)
    position = worker.services.position("sample")
    while not position.next_is_aging:
        position.count_claim()
    walk(worker)
    assert claimed(worker) == BATCH_SIZE


def test_a_flow_whose_run_has_died_lately_claims_whole_batches(worker: Worker) -> None:
    worker.services.quick_batches["sample"].is_suspicious = True
    worker.services.quick_batches["sample"].looked_at = float("inf")
    fill(worker, 2 * BATCH_SIZE)
    walk(worker)
    assert claimed(worker) == 2 * BATCH_SIZE
    assert worker.query(RUNS)[0].batch_count == 2


def test_nobody_looks_for_another_slice_after_all_due_records(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After this slice, another waiting flow has its turn."""
    sizes: list[int] = []

    def note(run: Run, size: int, *rest: Any) -> Any:
        sizes.append(size)
        return hold(run, size, *rest)

    monkeypatch.setattr("tasks.run_loop.express.hold", note)
    monkeypatch.setattr("tasks.run_loop.waiting_flows.random.randrange", lambda count: 0)
    for name in ("a", "b"):
        fill(worker, 2 * BATCH_SIZE, name)
    walk(worker)
    due = 2 * BATCH_SIZE
    assert sizes == [due, due, BATCH_SIZE]  # no flow waits after the last one


def one_commit(payload: Any, connection: Connection) -> None:
    connection.exec_driver_sql("SELECT")


@pytest.mark.parametrize("handler", [None, one_commit])
def test_the_next_run_begins_where_the_run_ends(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, handler: Any
) -> None:
    begun: list[str] = []
    note = Succession.note

    def noted(end: Succession) -> None:
        note(end)
        if end.run.successor:
            begun.append(end.run.successor.options.flow_name)

    monkeypatch.setattr(Succession, "note", noted)
    monkeypatch.setattr("tasks.run_loop.waiting_flows.random.randrange", lambda count: 0)
    for name in ("a", "b", "c"):
        fill(worker, 2 * BATCH_SIZE, name, handler)
    walk(worker)
    assert begun == ["b", "c"]
    assert worker.query(RUNS) == [(name, "ended", 1, 2 * BATCH_SIZE) for name in ("a", "b", "c")]


def test_what_becomes_due_during_the_slice_is_not_left(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slice contains all due records, but more records become due before the run ends."""
    late: list[int] = []

    def enqueue_once(payload: Any) -> None:
        if payload == 2 * BATCH_SIZE - 1 and not late:
            late.extend(worker.enqueue("a", range(3 * BATCH_SIZE)))

    monkeypatch.setattr("tasks.run_loop.waiting_flows.random.randrange", lambda count: 0)
    for name in ("a", "b"):
        fill(worker, 2 * BATCH_SIZE, name, enqueue_once)
    walk(worker)
    assert worker.statuses() == {"completed": 7 * BATCH_SIZE}
    assert [row[:2] for row in worker.query(RUNS)] == [("a", "ended"), ("b", "ended")]
    assert claimed(worker) == 0


def test_a_suspect_that_appears_during_the_slice_is_not_left(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def enqueue_once(payload: Any) -> None:
        if payload == 2 * BATCH_SIZE - 1:
            worker.enqueue("a", ["suspect"])
            worker.query("UPDATE processing_queue SET batch_limit = 1 WHERE payload = '\"suspect\"'")

    monkeypatch.setattr("tasks.run_loop.waiting_flows.random.randrange", lambda count: 0)
    fill(worker, 2 * BATCH_SIZE, "a", enqueue_once)
    fill(worker, 2 * BATCH_SIZE, "b")
    walk(worker)
    assert worker.statuses() == {"completed": 4 * BATCH_SIZE + 1}
    assert [row[:2] for row in worker.query(RUNS)] == [("a", "ended"), ("b", "ended")]


@pytest.mark.parametrize("has_happened", [True, False])
def test_if_the_answer_to_the_last_commit_is_lost_each_record_is_completed_once(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, has_happened: bool
) -> None:
    """The last COMMIT ends the first run and begins the next run. If the COMMIT has happened, the first run is over.
    Otherwise, the first run writes the outcomes again. In both cases, the process does not work on the next run, which
    may already be registered."""
    handled: list[int] = []

    def lose(payload: int) -> None:
        handled.append(payload)
        if payload == 2 * BATCH_SIZE - 1:
            lose_the_answer(monkeypatch, has_happened=has_happened)

    monkeypatch.setattr("tasks.run_loop.waiting_flows.random.randrange", lambda count: 0)
    fill(worker, 2 * BATCH_SIZE, "a", lose)
    fill(worker, 2 * BATCH_SIZE, "b", handled.append)
    worker.services.celery_queues = [celery_queue_name("flows")]
    with pytest.raises(CommitUnknownError):
        waiting_flows.run_waiting_flows(worker.services)
    assert handled == list(range(2 * BATCH_SIZE))
    assert worker.statuses() == {"completed": 2 * BATCH_SIZE, "pending": 2 * BATCH_SIZE}
    assert worker.query("SELECT state FROM flow_execution_logs WHERE state <> 'ended'") == []
    walk(worker)
    assert len(handled) == 4 * BATCH_SIZE
    rows = worker.query("SELECT DISTINCT claim_number, crash_strikes FROM processing_queue")
    assert rows == [(1, 0)]


def test_a_successor_in_doubt_is_not_forgotten_after_empty_runs(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The COMMIT of b's last slice ends b's run and begins c's run. The answer to this COMMIT is lost, so the process
    counts b's run as a run that claimed nothing."""
    monkeypatch.setattr(waiting_flows, "EMPTY_RUNS", 1)
    monkeypatch.setattr("tasks.run_loop.waiting_flows.random.randrange", lambda count: 0)

    def lose(payload: int) -> None:
        if payload == 2 * BATCH_SIZE - 1:
            lose_the_answer(monkeypatch, has_happened=True)

    for name, handler in (("a", None), ("b", lose), ("c", None)):
        fill(worker, 2 * BATCH_SIZE, name, handler)
    worker.services.celery_queues = [celery_queue_name("flows")]
    with pytest.raises(CommitUnknownError):
        waiting_flows.run_waiting_flows(worker.services)
    assert [row[:2] for row in worker.query(RUNS)] == [("a", "ended"), ("b", "ended"), ("c", "ended")]


@pytest.mark.parametrize("due", [2 * BATCH_SIZE, 1], ids=["before a slice", "after a claim"])
def test_a_successor_ends_if_the_run_before_it_breaks(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, due: int
) -> None:
    """No process works on the successor (the next run). If the successor did not end, it would be declared dead, and
    its records would become suspects."""
    monkeypatch.setattr("tasks.run_loop.waiting_flows.random.randrange", lambda count: 0)
    fill(worker, 2 * BATCH_SIZE, "a")
    fill(worker, due, "b")
    worker.services.celery_queues = [celery_queue_name("flows")]

    def breaks(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr("tasks.run_loop.loop.end_run", breaks)
        with pytest.raises(MemoryError):
            waiting_flows.run_waiting_flows(worker.services)
    assert [row[:2] for row in worker.query(RUNS)] == [("a", "ended"), ("b", "ended")]
    worker.services.rescue.sweep()
    walk(worker)
    rows = worker.query("SELECT DISTINCT crash_strikes, unfinished_claims FROM processing_queue")
    assert rows == [(0, 0)]


def test_a_run_that_finds_nothing_for_its_slice_ends_and_looks_for_orphans(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    fill(worker, 2 * BATCH_SIZE)
    monkeypatch.setattr(worker.services.rescue, "look_when_due", lambda: looked.append(1))
    run = new_run(worker.services, worker.services.flows["sample"], first_slice=2 * BATCH_SIZE)
    with worker.services.database.transaction() as cursor:
        cursor.execute(b"SELECT FROM processing_queue FOR UPDATE")
        run_flow(worker.services, worker.services.flows["sample"], run=run)
    assert worker.query(RUNS) == [("sample", "ended", 0, 0)]
    assert looked == [1]


def test_a_run_that_breaks_before_its_first_handler_ends(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run has claimed a record. If the run did not end, it would be declared dead, and the record would get a crash
    strike."""
    fill(worker, 1)
    worker.services.celery_queues = [celery_queue_name("flows")]

    def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as broken:
        broken.setattr("tasks.run_loop.loop.Delivery", breaks)
        with pytest.raises(RuntimeError):
            waiting_flows.run_waiting_flows(worker.services)
    assert [row[:2] for row in worker.query(RUNS)] == [("sample", "ended")]
    worker.services.rescue.sweep()
    walk(worker)
    rows = worker.query("SELECT DISTINCT crash_strikes, unfinished_claims FROM processing_queue")
    assert rows == [(0, 0)]


def test_a_run_that_had_to_begin_with_a_claim_counts_the_due_records_again(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run of the flow is alive and may hold some of the records that the process has counted as due."""
    counted: list[str] = []

    def note(run: Run, most_each: int) -> Any:
        counted.append(run.options.flow_name)
        return fair_part(run, most_each)

    monkeypatch.setattr("tasks.run_loop.slice_size.fair_part", note)
    fill(worker, 3 * BATCH_SIZE, "a")
    worker.query(
        "INSERT INTO flow_execution_logs (flow_instance_id, flow_name, worker_process_id)"
        " SELECT gen_random_uuid(), 'a', %(id)s",
        id=worker.services.process.worker_process_id,
    )
    services = worker.services
    run = new_run(services, services.flows["a"], first_slice=3 * BATCH_SIZE)
    run.new_successor = lambda: None
    run_flow(services, services.flows["a"], run=run)
    assert counted[:1] == ["a"]
    assert (
        worker.query("SELECT 1 FROM processing_queue WHERE flow_name = 'a' AND status <> 'completed'") == []
    )

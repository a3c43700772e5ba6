"""If the session, the COMMIT or the run of a slice is lost, nothing is written twice, and no record is charged."""

import threading
from typing import Any

import pytest

from queue_store.database.held_connection import HeldConnection
from queue_store.errors import ConflictError, DatabaseUnavailableError
from queue_store.runs.express import HeldSlice
from queue_store.runs.sessions import terminate_sessions
from tasks import FlowContext
from tests.runs.test_lost_commits import COUNTED, lose_the_answer
from tests.support.express import PATIENCE_SECONDS, Seen
from tests.support.flow_runs import Worker
from tests.support.store import in_background

BURY = (
    "UPDATE flow_execution_logs SET state = 'dead', finished_at = clock_timestamp() WHERE state = 'running'"
)


def end_the_session(worker: Worker) -> None:
    assert worker.services.current_run is not None
    with worker.services.database.transaction() as cursor:
        terminate_sessions(cursor, worker.services.current_run.run.flow_instance_id)


def claim_the_slice(worker: Worker) -> None:
    """Claims the slice in another thread, as the thread that watches slices does. Waits until the slice is claimed."""
    assert worker.services.current_run is not None
    assert worker.services.current_run.claim_slice is not None
    in_background(worker.services.current_run.claim_slice).result(PATIENCE_SECONDS)


@pytest.mark.usefixtures("at_once")
def test_outcomes_of_a_session_that_was_ended_are_written_again(worker: Worker) -> None:
    called: list[int] = []

    def handle(payload: int) -> None:
        called.append(payload)
        if payload == 5:
            end_the_session(worker)

    flow = worker.declare(handle, name="sample", batch_size=4, express=True)
    record_ids = worker.enqueue("sample", range(12))
    counts = worker.run(flow)
    assert called == list(range(12))
    assert {(row.status, row.claim_number) for row in worker.rows(record_ids)} == {("completed", 1)}
    assert (counts.records_claimed, counts.records_completed, counts.records_refused) == (12, 12, 0)
    assert worker.query("SELECT sum(claimed) AS claimed, sum(refused) AS refused FROM rollup_deltas") == [
        (12, 0)
    ]


@pytest.mark.usefixtures("at_once")
def test_a_record_that_was_replaced_after_the_session_ended_is_done_again(worker: Worker) -> None:
    called: list[Any] = []

    def handle(payload: Any, context: FlowContext) -> None:
        called.append(payload)
        if payload == 5:
            end_the_session(worker)
            worker.query(
                "UPDATE processing_queue SET payload = '\"new\"', updated_at = clock_timestamp() WHERE id = %(id)s",
                id=context.record_id,
            )

    flow = worker.declare(handle, name="sample", batch_size=4, express=True)
    worker.enqueue("sample", range(8))
    worker.run(flow)
    assert worker.statuses() == {"completed": 8}
    assert called == [*range(8), "new"]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("has_happened", [True, False])
@pytest.mark.parametrize("is_async", [True, False])
def test_a_lost_commit_of_a_slice_counts_once(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, has_happened: bool, is_async: bool
) -> None:
    called: list[int] = []

    def handle(payload: int) -> None:
        called.append(payload)
        if payload == 5:
            lose_the_answer(monkeypatch, has_happened=has_happened)

    async def handle_async(payload: int) -> None:
        handle(payload)

    flow = worker.declare(handle_async if is_async else handle, name="sample", batch_size=4, express=True)
    record_ids = worker.enqueue("sample", range(12))
    counts = worker.run(flow)
    assert called == list(range(12))
    assert {(row.status, row.claim_number) for row in worker.rows(record_ids)} == {("completed", 1)}
    assert (counts.records_claimed, counts.records_completed, counts.records_refused) == (12, 12, 0)
    assert worker.query("SELECT sum(claimed) AS claimed FROM rollup_deltas") == [(12,)]
    assert worker.query(COUNTED) == [(12, 0, 0, 0, 0, 12)]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("has_happened", [True, False])
def test_a_lost_commit_of_a_slice_with_follow_ups_enqueues_them_once(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, has_happened: bool
) -> None:
    def handle(payload: int, context: FlowContext) -> None:
        if payload == 5:
            lose_the_answer(monkeypatch, has_happened=has_happened)
        if payload % 2:
            context.enqueue("next", payload)

    worker.declare(lambda payload: None, name="next")
    flow = worker.declare(handle, name="sample", batch_size=4, express=True)
    record_ids = worker.enqueue("sample", range(8))
    counts = worker.run(flow)
    assert {(row.status, row.claim_number) for row in worker.rows(record_ids)} == {("completed", 1)}
    assert (counts.records_claimed, counts.records_completed, counts.records_refused) == (8, 8, 0)
    next_rows = worker.query("SELECT payload FROM processing_queue WHERE flow_name = 'next' ORDER BY payload")
    assert [row.payload for row in next_rows] == [1, 3, 5, 7]
    assert worker.query(COUNTED) == [(8, 0, 0, 0, 0, 8)]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("has_happened", [True, False])
def test_a_lost_commit_of_the_claim_of_a_long_slice_is_looked_up(
    worker: Worker, seen: Seen, monkeypatch: pytest.MonkeyPatch, has_happened: bool
) -> None:
    def handle(payload: int, context: FlowContext) -> None:
        if payload == 5:
            lose_the_answer(monkeypatch, has_happened=has_happened)
            claim_the_slice(worker)
        seen.look([context.record_id])

    flow = worker.declare(handle, name="sample", batch_size=4, express=True)
    record_ids = worker.enqueue("sample", range(8))
    counts = worker.run(flow)
    assert seen.statuses[5:] == ["processing"] * 3
    assert {(row.status, row.claim_number) for row in worker.rows(record_ids)} == {("completed", 1)}
    assert (counts.records_claimed, counts.records_completed, counts.records_refused) == (8, 8, 0)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("error", [ConflictError("again"), DatabaseUnavailableError("away")])
def test_a_slice_that_cannot_be_written_at_first_is_written_once(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    commit, errors = HeldConnection.commit, [error]

    def fail_once(held: HeldConnection, transaction: Any) -> None:
        if len(called) > 4 and errors:
            transaction.rollback()
            raise errors.pop()
        commit(held, transaction)

    called: list[int] = []
    monkeypatch.setattr(HeldConnection, "commit", fail_once)
    flow = worker.declare(called.append, name="sample", batch_size=4, express=True)
    record_ids = worker.enqueue("sample", range(12))
    counts = worker.run(flow)
    assert {(row.status, row.claim_number) for row in worker.rows(record_ids)} == {("completed", 1)}
    assert (counts.records_claimed, counts.records_completed) == (12, 12)
    assert called == list(range(12))


@pytest.mark.usefixtures("at_once")
def test_a_run_that_was_declared_dead_in_a_slice_writes_nothing_of_it(worker: Worker) -> None:
    called: list[int] = []

    def handle(payload: int) -> None:
        called.append(payload)
        if payload == 5:
            worker.query(BURY)
            end_the_session(worker)

    flow = worker.declare(handle, name="sample", batch_size=4, express=True)
    record_ids = worker.enqueue("sample", range(12))
    worker.run(flow)
    assert [row.status for row in worker.rows(record_ids)] == ["completed"] * 4 + ["pending"] * 8
    worker.services.rescue.sweep()
    rows = worker.rows(record_ids[4:])
    assert {(row.status, row.claim_number, row.crash_strikes, row.retry_count) for row in rows} == {
        ("pending", 0, 0, 0)
    }


@pytest.mark.usefixtures("at_once")
def test_what_breaks_out_of_a_slice_rolls_it_back(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_out(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tasks.run_loop.slice_in_hand.SliceInHand.report", break_out)
    flow = worker.declare(lambda payload: None, name="sample", batch_size=4, express=True)
    record_ids = worker.enqueue("sample", range(8))
    with pytest.raises(KeyboardInterrupt):
        worker.run(flow)
    assert [row.status for row in worker.rows(record_ids)] == ["completed"] * 4 + ["pending"] * 4
    assert worker.query("SELECT state, records_claimed FROM flow_execution_logs") == [("ended", 4)]


@pytest.mark.usefixtures("at_once")
def test_a_database_that_is_away_while_a_slice_is_claimed_is_waited_for(
    worker: Worker, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim is repeated until the database is back. The running handler notices nothing."""
    settle_again, failures = HeldSlice.settle_again, [1, 2]
    came_back = threading.Event()

    def be_away(held: HeldSlice, *arguments: Any) -> Any:
        if failures:
            failures.pop()
            raise DatabaseUnavailableError("away")
        came_back.set()
        return settle_again(held, *arguments)

    monkeypatch.setattr(HeldSlice, "settle_again", be_away)
    monkeypatch.setattr("tasks.run_loop.delivery.PAUSE_SECONDS", 0.01)

    def handle(payload: int, context: FlowContext) -> None:
        if payload == 5:
            end_the_session(worker)
            claim_the_slice(worker)
            assert came_back.is_set()
        seen.look([context.record_id])

    flow = worker.declare(handle, name="sample", batch_size=4, express=True)
    record_ids = worker.enqueue("sample", range(8))
    worker.run(flow)
    assert seen.statuses[5:] == ["processing"] * 3
    assert {(row.status, row.claim_number) for row in worker.rows(record_ids)} == {("completed", 1)}

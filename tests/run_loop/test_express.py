"""The records of an express run have the same outcomes as records of other runs."""

from typing import Any

import pytest

from tasks import FlowContext, PermanentError, SnoozeRecord
from tests.support.express import KINDS, Seen, plain
from tests.support.flow_runs import Worker


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_a_run_goes_on_with_slices_after_its_first_claim(
    worker: Worker, seen: Seen, kind: Any, options: Any
) -> None:
    flow = worker.declare(kind(seen), name="sample", batch_size=5, express=True, **options)
    record_ids = worker.enqueue("sample", range(23))
    counts = worker.run(flow)
    assert seen.statuses == ["processing"] * 5 + ["pending"] * 18
    assert {(row.status, row.claim_number) for row in worker.rows(record_ids)} == {("completed", 1)}
    assert (counts.records_claimed, counts.records_completed, counts.batch_count) == (23, 23, 5)
    [run] = worker.query("SELECT * FROM flow_execution_logs")
    assert (run.state, run.records_claimed, run.records_completed) == ("ended", 23, 23)
    assert {row.flow_instance_id for row in worker.rows(record_ids)} == {run.flow_instance_id}


@pytest.mark.usefixtures("at_once")
def test_what_may_not_be_express_is_claimed_in_its_turn(worker: Worker, seen: Seen) -> None:
    flow = worker.declare(plain(seen), name="sample", batch_size=2, express=True)
    worker.enqueue("sample", range(4))
    worker.enqueue("sample", range(2), order_key="k")
    worker.enqueue("sample", range(4))
    worker.run(flow)
    assert seen.statuses[:4] == ["processing"] * 2 + ["pending"] * 2
    assert worker.statuses() == {"completed": 10}
    assert seen.statuses.count("processing") >= 4


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("is_async", [False, True])
def test_every_outcome_is_written_as_always(worker: Worker, is_async: bool) -> None:
    """Each payload has a slice of its own, because a slice ends after a record that is not completed."""

    def handle(payload: Any, context: FlowContext) -> Any:
        if payload == "retry":
            raise ValueError("again")
        if payload == "fail":
            raise PermanentError("no")
        if payload == "snooze":
            raise SnoozeRecord(3600)
        if payload == "more":
            context.enqueue("other", {"n": 1})
        return {"done": payload} if payload == "result" else None

    async def handle_async(payload: Any, context: FlowContext) -> Any:
        return handle(payload, context)

    worker.declare(lambda payload: None, name="other")
    flow = worker.declare(
        handle_async if is_async else handle, name="sample", batch_size=10, max_retries=3, express=True
    )
    payloads = ["retry", "fail", "snooze", "more", "result", "plain"]
    record_ids: list[int] = []
    for payload in payloads:
        worker.enqueue("sample", range(10))
        record_ids += worker.enqueue("sample", [payload])
        counts = worker.run(flow)
        assert (counts.batch_count, counts.records_claimed) == (2, 11)
    rows = dict(zip(payloads, worker.rows(record_ids), strict=True))
    assert {payload: row.status for payload, row in rows.items()} == {
        "retry": "pending", "fail": "failed", "snooze": "pending",
        "more": "completed", "result": "completed", "plain": "completed",
    }  # fmt: skip
    assert {row.claim_number for row in rows.values()} == {1}
    assert (rows["retry"].retry_count, rows["snooze"].retry_count) == (1, 0)
    assert rows["result"].result == {"done": "result"}
    attempts = worker.query("SELECT record_id, outcome FROM record_attempts ORDER BY record_id")
    assert attempts == [(record_ids[0], "retried"), (record_ids[1], "failed")]
    assert worker.query("SELECT payload FROM processing_queue WHERE flow_name = 'other'") == [({"n": 1},)]
    runs = worker.query("SELECT records_retried, records_failed, records_snoozed FROM flow_execution_logs")
    assert [sum(column) for column in zip(*runs, strict=True)] == [1, 1, 1]


@pytest.mark.usefixtures("at_once")
def test_a_worker_that_stops_finishes_the_record_in_hand_and_lets_the_rest_go(worker: Worker) -> None:
    called: list[int] = []

    def handle(payload: int) -> None:
        called.append(payload)
        if payload == 5:
            worker.services.current_run.flow_is_closed = True  # type: ignore[union-attr]

    flow = worker.declare(handle, name="sample", batch_size=4, express=True)
    record_ids = worker.enqueue("sample", range(10))
    worker.run(flow)
    assert called == [0, 1, 2, 3, 4, 5]
    rows = worker.rows(record_ids)
    assert [row.status for row in rows] == ["completed"] * 6 + ["pending"] * 4
    assert [row.claim_number for row in rows[6:]] == [0] * 4
    assert worker.query("SELECT sum(claimed) AS n FROM rollup_deltas")[0].n == 6


@pytest.mark.usefixtures("at_once")
def test_a_time_limit_stops_a_handler_in_a_slice_and_charges_it_alone(worker: Worker) -> None:
    def handle(payload: int) -> None:
        while payload == 3:
            pass

    flow = worker.declare(handle, name="sample", batch_size=2, express=True, time_limit_seconds=1.0)
    record_ids = worker.enqueue("sample", range(6))
    worker.run(flow)
    rows = worker.rows(record_ids)
    assert [row.status for row in rows] == ["completed"] * 3 + ["pending"] + ["completed"] * 2
    assert rows[3].retry_count == 1

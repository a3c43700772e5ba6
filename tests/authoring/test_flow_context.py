"""A handler can read facts about its record, and can report progress while it works."""

import logging
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from queue_store.errors import PayloadRejectedError, UnknownFlowError
from tasks import FlowContext, PermanentError
from tests.support.flow_runs import Worker

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def ask_to_stop(worker: Worker, record_id: int) -> None:
    """Requests the record's cancellation, as an operator does. Then tells the run about this request, as the next
    heartbeat would."""
    worker.query(
        "INSERT INTO cancel_requests (record_id, requested_by) VALUES (%(id)s, 'tester')", id=record_id
    )
    current = worker.services.current_run
    assert current is not None
    current.cancelled_ids = current.cancelled_ids | {record_id}


def test_a_running_handler_notices_that_it_was_cancelled(worker: Worker) -> None:
    def work(payload: Any, context: FlowContext) -> None:
        assert not context.is_cancelled
        ask_to_stop(worker, context.record_id)
        assert context.is_cancelled
        context.raise_if_cancelled()

    row = worker.process(work, [1])[0]
    assert (row.status, row.retry_count) == ("cancelled", 0)
    assert worker.query("SELECT * FROM cancel_requests") == []


def test_records_that_wait_in_the_batch_are_cancelled_without_being_started(worker: Worker) -> None:
    started: list[int] = []

    def work(payload: int, context: FlowContext) -> None:
        started.append(payload)
        if payload == 0:
            ask_to_stop(worker, context.record_id + 1)

    rows = worker.process(work, [0, 1, 2])
    assert [row.status for row in rows] == ["completed", "cancelled", "completed"]
    assert started == [0, 2]


def test_a_cancelled_handler_that_does_not_notice_is_stopped_at_its_limit(worker: Worker) -> None:
    def work(payload: Any, context: FlowContext) -> None:
        ask_to_stop(worker, context.record_id)
        while True:
            pass

    assert worker.process(work, [1], time_limit_seconds=1.0)[0].status == "cancelled"


def test_progress_is_seen_while_the_transaction_of_the_handler_is_open(worker: Worker) -> None:
    seen: list[Any] = []

    def work(payload: Any, connection: Connection, context: FlowContext) -> None:
        connection.exec_driver_sql("SELECT 1 FROM processing_queue FOR UPDATE")  # must not block the report
        assert context.report_progress({"done": 3})
        seen.append(worker.query("SELECT progress FROM record_progress")[0].progress)
        with pytest.raises(PayloadRejectedError, match="progress"):
            context.report_progress(float("nan"))
        with pytest.raises(PayloadRejectedError, match="progress"):
            context.report_progress("x" * 10_000)
        with pytest.raises(PayloadRejectedError, match="16 kB as jsonb"):
            context.report_progress([1] * 1_400)
        assert context.report_progress({"done": 3})

    assert worker.process(work, [1])[0].status == "completed"
    assert seen == [{"done": 3}]


def test_progress_under_an_older_claim_is_refused(worker: Worker) -> None:
    def work(payload: Any, context: FlowContext) -> bool:
        assert context.report_progress("mine")
        worker.query("UPDATE record_progress SET claim_number = claim_number + 1, progress = '\"theirs\"'")
        return context.report_progress("mine again")

    row = worker.process(work, [1])[0]
    assert row.result is False
    assert worker.query("SELECT progress FROM record_progress")[0].progress == "theirs"


def test_progress_of_an_async_handler(worker: Worker) -> None:
    async def work(payload: Any, context: FlowContext) -> None:
        assert await context.report_progress_async([1, 2])

    worker.process(work, [1])
    assert worker.query("SELECT progress FROM record_progress")[0].progress == [1, 2]


def plain(payload: Any, context: FlowContext) -> None:
    context.enqueue("next_one", {"from": payload}, priority=2)
    if payload == "fail":
        raise PermanentError


async def asynchronous(payload: Any, context: FlowContext) -> None:
    plain(payload, context)


def in_transaction(payload: Any, context: FlowContext, connection: "psycopg.Connection[Any]") -> None:
    plain(payload, context)


async def in_async_transaction(payload: Any, context: FlowContext, connection: AsyncConnection) -> None:
    plain(payload, context)


def in_batch(records: list[FlowContext]) -> list[Any]:
    for record in records:
        record.enqueue("next_one", {"from": record.payload}, priority=2)
    return [PermanentError() if record.payload == "fail" else None for record in records]


@pytest.mark.parametrize("handler", [plain, asynchronous, in_transaction, in_async_transaction, in_batch])
def test_follow_ups_exist_exactly_when_their_record_is_completed(worker: Worker, handler: Any) -> None:
    worker.declare(lambda payload: None, name="next_one")
    worker.query("UPDATE queue_control SET ingestion_stopped_at = now()")
    flow = worker.declare(handler, name="first_one", batch=handler is in_batch)
    worker.query("UPDATE queue_control SET ingestion_stopped_at = NULL")
    worker.enqueue("first_one", ["a", "fail", "b"])
    worker.query("UPDATE queue_control SET ingestion_stopped_at = now()")
    worker.run(flow)
    follow_ups = worker.query(
        "SELECT payload, priority FROM processing_queue WHERE flow_name = 'next_one' ORDER BY id"
    )
    assert [(row.payload, row.priority) for row in follow_ups] == [({"from": "a"}, 2), ({"from": "b"}, 2)]


def test_the_follow_ups_of_a_lost_claim_are_not_enqueued(worker: Worker) -> None:
    worker.declare(lambda payload: None, name="next_one")

    def lose(payload: Any, context: FlowContext) -> None:
        context.enqueue("next_one", {})
        worker.query(
            "UPDATE processing_queue SET status = 'cancelled' WHERE id = %(id)s", id=context.record_id
        )

    worker.process(lose, [1])
    assert worker.statuses() == {"cancelled": 1}


def test_wrong_follow_ups_are_refused_in_the_handler(worker: Worker) -> None:
    worker.declare(lambda payload: None, name="next_one")

    def careless(payload: Any, context: FlowContext) -> None:
        with pytest.raises(UnknownFlowError, match="did you mean next_one"):
            context.enqueue("nextone", {})
        with pytest.raises(PayloadRejectedError, match="payload"):
            context.enqueue("next_one", {1, 2})
        with pytest.raises(PayloadRejectedError, match="priority"):
            context.enqueue("next_one", {}, priority=10)

    assert worker.process(careless, [1], max_retries=0)[0].error_message is None
    assert worker.statuses() == {"completed": 1}


def test_a_follow_up_with_a_live_twin_is_skipped(worker: Worker) -> None:
    worker.declare(lambda payload: None, name="next_one")

    def twice(payload: Any, context: FlowContext) -> None:
        context.enqueue("next_one", {}, dedup_key="only one")

    rows = worker.process(twice, [1, 2])
    assert [row.status for row in rows] == ["completed", "completed"]
    assert worker.statuses() == {"completed": 2, "pending": 1}


def test_follow_ups_keep_the_correlation_id_and_the_trace(worker: Worker) -> None:
    worker.declare(lambda payload: None, name="next_one")

    def work(payload: Any, context: FlowContext) -> None:
        context.enqueue("next_one", "inherited")
        context.enqueue("next_one", "its own", correlation_id="other", trace_context=TRACE.replace("7", "8"))
        context.enqueue("next_one", "none", correlation_id=None)

    flow = worker.declare(work)
    ids = worker.enqueue(flow.name, [1])
    worker.query(
        "UPDATE processing_queue SET correlation_id = 'order-4711', trace_context = %(trace)s WHERE id = %(id)s",
        trace=TRACE, id=ids[0],
    )  # fmt: skip
    worker.run(flow)
    rows = worker.query(
        "SELECT payload, correlation_id, trace_context FROM processing_queue WHERE flow_name = 'next_one'"
    )
    assert {row.payload: (row.correlation_id, row.trace_context) for row in rows} == {
        "inherited": ("order-4711", TRACE),
        "its own": ("other", TRACE.replace("7", "8")),
        "none": (None, TRACE),
    }


def test_the_logger_says_which_record_it_is_about(worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    def talk(payload: Any, context: FlowContext) -> None:
        context.logger.warning("hello")

    row = worker.process(talk, [1])[0]
    said = next(record for record in caplog.records if record.name == "flows.talk")
    assert said.levelno == logging.WARNING
    assert (said.__dict__["flow"], said.__dict__["record"], said.__dict__["attempt"]) == ("talk", row.id, 1)
    assert said.__dict__["run"] == str(row.flow_instance_id)


@pytest.mark.parametrize("is_async", [False, True])
def test_hooks_are_called_around_the_handler(worker: Worker, is_async: bool) -> None:
    calls: list[Any] = []

    def before(context: FlowContext) -> None:
        calls.append("before")

    def after(context: FlowContext, result: Any) -> None:
        calls.append(("after", result))
        if result == "spoil":
            raise ValueError("after says no")

    def failed(context: FlowContext, error: BaseException, will_retry: bool) -> None:
        calls.append(("failed", type(error).__name__, will_retry))
        raise RuntimeError("hooks may fail")

    def handle(payload: Any) -> Any:
        if payload == "permanent":
            raise PermanentError
        return payload

    async def handle_async(payload: Any) -> Any:
        return handle(payload)

    handler = handle_async if is_async else handle
    rows = worker.process(
        handler, ["fine", "spoil", "permanent"], name="hooked", before=before, after=after, failed=failed
    )
    assert [row.status for row in rows] == ["completed", "pending", "failed"]
    assert calls == [
        "before", ("after", "fine"),
        "before", ("after", "spoil"), ("failed", "ValueError", True),
        "before", ("failed", "PermanentError", False),
    ]  # fmt: skip


def test_a_before_hook_that_raises_fails_the_attempt(worker: Worker) -> None:
    def refuse(context: FlowContext) -> None:
        raise PermanentError("not today")

    rows = worker.process(lambda payload: None, [1], name="refused", before=refuse)
    assert (rows[0].status, rows[0].error_message) == ("failed", "not today")


def test_the_failed_hook_is_called_once_for_a_record_of_a_one_commit_slice(worker: Worker) -> None:
    calls: list[int] = []

    def failed(context: FlowContext, error: BaseException, will_retry: bool) -> None:
        calls.append(context.record_id)

    def fail(payload: Any, connection: Connection) -> None:
        if payload == "fail":
            raise PermanentError

    rows = worker.process(fail, ["a", "fail", "b"], failed=failed)
    assert calls == [rows[1].id]

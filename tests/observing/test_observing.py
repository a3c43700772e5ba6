"""Log lines name their flow, run and record, and spans link an attempt to the producer of its record."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.records.record import Completed, Failure, Record, Snooze
from queue_store.runs.run import Run
from tasks import FlowContext, PermanentError, SnoozeRecord
from tasks.authoring.declaration import declare
from tasks.observing import observe_with, observer, stop_observing_with
from tasks.observing.bound_fields import bound_to_logs
from tasks.observing.json_logs import log_as_json
from tasks.run_loop.attempt import Attempts
from tasks.run_loop.limits import Limits
from tasks.run_loop.loop import run_flow
from tasks.run_loop.one_body import run_without_waiting
from tests.support.flow_runs import Worker

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
handler_logger = logging.getLogger("a.handler")


class NoRun:
    max_retries = 3

    def is_cancelled(self, record: Record) -> bool:
        return False


def a_record(**columns: Any) -> Record:
    values: dict[str, Any] = {
        "id": 17, "claim_number": 1, "jsonb": b'\1{"n": 1}', "priority": 5, "scheduled_microseconds": 0,
        "retry_count": 1, "crash_strikes": 0, "created_microseconds": 0, "claimed_microseconds": 0, "order_key": None,
        "correlation_id": "order-4711", "trace_context": TRACE, "flow_name": "alpha", "flow_instance_id": uuid4(),
        "timezone": UTC,
    }  # fmt: skip
    return Record(**{**values, **columns})


def attempts_of(handler: Any) -> Attempts:
    flow = declare(handler, {"name": "alpha"})
    return Attempts(flow, NoRun(), Limits(flow))  # type: ignore[arg-type]


def attempt(handler: Any, record: Record) -> Any:
    return run_without_waiting(attempts_of(handler).attempt(record))


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """Yields a list that receives each line that is logged from now on, as parsed JSON."""
    output, logger = io.StringIO(), logging.getLogger("a")
    handler = logging.StreamHandler(output)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    log_as_json(logger)
    found: list[dict[str, Any]] = []
    handler.terminator = ""
    handler.emit = lambda record: found.append(json.loads(handler.format(record)))  # type: ignore[method-assign]
    yield found
    logger.removeHandler(handler)
    stop_observing_with(bound_to_logs)


def test_what_a_handler_logs_says_which_record_it_is_about(lines: list[dict[str, Any]]) -> None:
    def handler(payload: Any) -> None:
        handler_logger.info("working on %s", payload)

    record = a_record()
    assert isinstance(attempt(handler, record), Completed)
    handler_logger.info("done")
    assert lines[0] | {"time": "", "process": 0} == {
        "time": "", "level": "INFO", "logger": "a.handler", "message": "working on {'n': 1}", "process": 0,
        "flow": "alpha", "run": str(record.flow_instance_id), "record": 17, "attempt": 2,
        "correlation_id": "order-4711",
    }  # fmt: skip
    assert "record" not in lines[1]


def test_an_async_handler_has_its_fields_too(lines: list[dict[str, Any]]) -> None:
    import asyncio

    async def handler(payload: Any) -> None:
        await asyncio.sleep(0)
        handler_logger.info("here")

    async def both() -> None:
        attempts = attempts_of(handler)
        await asyncio.gather(*(attempts.attempt(a_record(id=i)) for i in (1, 2)))

    asyncio.run(both())
    assert sorted(line["record"] for line in lines) == [1, 2]


def test_what_the_run_itself_and_a_batch_handler_log_says_which_run_it_is(
    worker: Worker, lines: list[dict[str, Any]]
) -> None:
    def handler(records: list[FlowContext]) -> None:
        handler_logger.info("a batch")

    flow = worker.declare(handler, name="alpha", batch=True)
    worker.enqueue("alpha", [1, 2])
    with bound_run_lines(worker):
        worker.run(flow)
    batch, end = lines
    run_id = worker.query("SELECT DISTINCT flow_instance_id FROM processing_queue")[0].flow_instance_id
    assert (batch["flow"], batch["run"], batch["records"]) == ("alpha", str(run_id), 2)
    assert (end["message"], end["flow"], end["run"]) == ("ending", "alpha", str(run_id))


@contextmanager
def bound_run_lines(worker: Worker) -> Iterator[None]:
    """Within the block, each run logs a line just before it ends."""
    with pytest.MonkeyPatch.context() as patch:
        ended = Run.end

        def end(run: Run, *arguments: Any) -> None:
            handler_logger.info("ending")
            ended(run, *arguments)

        patch.setattr(Run, "end", end)
        yield


def test_secrets_and_tracebacks_are_one_line_without_secrets(lines: list[dict[str, Any]]) -> None:
    def handler(payload: Any) -> None:
        try:
            raise ValueError("postgresql://me:hunter22@host/db")
        except ValueError:
            handler_logger.exception("password=hunter22")

    attempt(handler, a_record())
    assert "Traceback" in lines[0]["exception"]
    assert "hunter22" not in json.dumps(lines)


def test_nobody_observing_costs_nothing() -> None:
    assert observer() is None
    assert attempts_of(lambda payload: None).observe is None


@pytest.fixture
def spans() -> Iterator[Any]:
    pytest.importorskip("opentelemetry.sdk", reason="the extra `tracing` is not installed")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from tasks.observing.tracing import Tracing

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = Tracing(provider.get_tracer("test"))
    observe_with(tracing)
    yield exporter
    stop_observing_with(tracing)
    provider.shutdown()


def test_an_attempt_belongs_to_the_trace_of_its_producer_and_is_linked_to_its_run(
    spans: Any, worker: Worker
) -> None:
    flow = worker.declare(lambda payload: None, name="alpha")
    (record_id,) = traced_records(worker, "alpha", [TRACE])
    hint = TRACE.replace("0af7", "1af7")
    run_flow(worker.services, flow, trace_context=hint)
    span, run = spans.get_finished_spans()
    assert (span.name, run.name) == ("process alpha", "run alpha")
    assert traceparent_of_parent(span) == TRACE
    assert traceparent_of_parent(run) == hint
    assert span.links[0].context.span_id == run.context.span_id
    assert span.attributes["processing_queue.record_id"] == record_id
    assert span.attributes["messaging.message.conversation_id"] == "order-4711"
    assert run.start_time <= span.start_time <= span.end_time <= run.end_time
    assert run.attributes["processing_queue.records_completed"] == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_a_call_of_a_batch_handler_is_a_span_of_its_run_linked_to_each_producer(
    spans: Any, worker: Worker, is_async: bool
) -> None:
    def handler(records: list[FlowContext]) -> None:
        handler_logger.info("a batch")

    async def async_handler(records: list[FlowContext]) -> None:
        handler_logger.info("a batch")

    flow = worker.declare(async_handler if is_async else handler, name="alpha", batch=True)
    ids = traced_records(worker, "alpha", [TRACE, None, TRACE.replace("0af7", "1af7")])
    worker.run(flow)
    batch, run = spans.get_finished_spans()
    assert (batch.name, run.name, run.parent) == ("process alpha", "run alpha", None)
    assert batch.parent.span_id == run.context.span_id
    assert batch.attributes["messaging.batch.message_count"] == 3
    assert [link.attributes["processing_queue.record_id"] for link in batch.links] == [ids[0], ids[2]]
    assert f"{batch.links[0].context.trace_id:032x}" == TRACE.split("-")[1]


def traced_records(worker: Worker, flow_name: str, trace_contexts: list[str | None]) -> list[int]:
    ids = worker.enqueue(flow_name, range(len(trace_contexts)))
    for record_id, trace_context in zip(ids, trace_contexts, strict=True):
        worker.query(
            "UPDATE processing_queue SET trace_context = %(trace)s, correlation_id = 'order-4711' WHERE id = %(id)s",
            trace=trace_context, id=record_id,
        )  # fmt: skip
    return ids


def traceparent_of_parent(span: Any) -> str:
    return f"00-{span.parent.trace_id:032x}-{span.parent.span_id:016x}-01"


@pytest.mark.parametrize("trace_context", [None, "", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_missing_or_broken_context_begins_a_trace(trace_context: str | None, spans: Any) -> None:
    assert isinstance(attempt(lambda payload: None, a_record(trace_context=trace_context)), Completed)
    assert spans.get_finished_spans()[-1].parent is None


@pytest.mark.parametrize("snooze", [SnoozeRecord(5), ExceptionGroup("of tasks", [SnoozeRecord(5)])])
def test_a_failed_attempt_is_an_error_and_a_snooze_is_none(spans: Any, snooze: Exception) -> None:
    def fail(payload: Any) -> None:
        raise PermanentError("secret text")

    def wait(payload: Any) -> None:
        raise snooze

    assert isinstance(attempt(fail, a_record()), Failure)
    assert isinstance(attempt(wait, a_record()), Snooze)
    failed, snoozed = spans.get_finished_spans()
    assert (failed.status.status_code.name, failed.status.description) == ("ERROR", "PermanentError")
    assert not failed.events
    assert snoozed.status.status_code.name == "UNSET"


def test_an_enqueue_inside_of_a_span_carries_its_context(database: DatabaseManager, spans: Any) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    from queue_store import enqueue
    from tests.support.filling import add_flow

    add_flow(database)
    with TracerProvider().get_tracer("producer").start_as_current_span("order placed") as span:
        with database.transaction() as cursor:
            record_id = enqueue(cursor, "alpha", {}).id
    with database.transaction() as cursor:
        row = cursor.execute(
            "SELECT trace_context FROM processing_queue WHERE id = %s", [record_id]
        ).fetchone()
    context = span.get_span_context()
    assert row == (f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}",)


@pytest.mark.parametrize(
    ("header", "kept"), [(TRACE, TRACE), (None, None), ("nonsense", None), (17, None), (TRACE + "\x00", None)]
)
def test_a_task_that_enqueues_keeps_the_trace_of_its_message(header: object, kept: str | None) -> None:
    from tasks.enqueue_task import trace_context_of

    assert trace_context_of(SimpleNamespace(traceparent=header)) == kept
    assert trace_context_of(SimpleNamespace()) is None

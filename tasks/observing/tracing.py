"""OpenTelemetry spans. The span of a run is in the trace of the hint that started the run. The span of an attempt is
in the trace of the record's producer, and is linked to the run. A call of a batch handler has one span in the trace
of the run. This span is linked to the traces of the records' producers.

The setting TRACING switches tracing on. Tracing needs the extra `tracing`. OpenTelemetry's own variables, such
as OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_SERVICE_NAME, say where spans are sent, and under which name. If a record is
enqueued inside a span, the span's context is stored in the record. Applications in other languages write a W3C
traceparent into `trace_context`.
"""

import logging
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from queue_store.errors import SettingsError
from queue_store.records.record import Record
from queue_store.runs.run import Run
from queue_store.settings import load_processor_settings

from ..exceptions import SnoozeRecord
from . import observe_with

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span, Tracer

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 3.0
COUNTS = ("records_claimed", "records_completed", "records_retried", "records_failed")


class Tracing:
    """The tracing of one process, which has at most one run at a time."""

    def __init__(self, tracer: "Tracer") -> None:
        self._tracer = tracer
        self._run_span: Span | None = None

    @contextmanager
    def run(self, run: Run, trace_context: str | None) -> Generator[None]:
        """The span of a run stays open until the run ends, and that can take a long time. So the spans of the run's
        attempts are exported first."""
        from opentelemetry.trace import SpanKind

        attributes = _attributes(run.options.flow_name, run.flow_instance_id)
        with self._tracer.start_as_current_span(
            f"run {run.options.flow_name}", _context(trace_context), SpanKind.CONSUMER, attributes,
            record_exception=False, set_status_on_exception=False,
        ) as span:  # fmt: skip
            self._run_span = span
            try:
                with _errors_in(span):
                    yield
            finally:
                self._run_span = None
                span.set_attributes(
                    {f"processing_queue.{name}": getattr(run.counts, name) for name in COUNTS}
                )

    @contextmanager
    def attempt(self, record: Record) -> Generator[None]:
        """Opens the span of one attempt. A snooze is not an error."""
        from opentelemetry.trace import SpanKind

        attributes = _attributes(record.flow_name, record.flow_instance_id) | {
            "processing_queue.record_id": record.id,
            "processing_queue.attempt": record.attempt_number,
        }
        if record.correlation_id is not None:
            attributes["messaging.message.conversation_id"] = record.correlation_id
        with self._tracer.start_as_current_span(
            f"process {record.flow_name}", _context(record.trace_context), SpanKind.CONSUMER, attributes,
            links=self._links_to_run(), record_exception=False, set_status_on_exception=False,
        ) as span, _errors_in(span):  # fmt: skip
            yield

    @contextmanager
    def batch(self, records: Sequence[Record]) -> Generator[None]:
        from opentelemetry.trace import SpanKind, set_span_in_context

        first = records[0]
        attributes = _attributes(first.flow_name, first.flow_instance_id)
        attributes["messaging.batch.message_count"] = len(records)
        with self._tracer.start_as_current_span(
            f"process {first.flow_name}", set_span_in_context(self._run_span) if self._run_span else None,
            SpanKind.CONSUMER, attributes, links=_links_to_producers(records),
            record_exception=False, set_status_on_exception=False,
        ) as span, _errors_in(span):  # fmt: skip
            yield

    def _links_to_run(self) -> "list[Link]":
        from opentelemetry.trace import Link

        return [] if self._run_span is None else [Link(self._run_span.get_span_context())]


def _attributes(flow_name: str, flow_instance_id: object) -> dict[str, Any]:
    return {
        "messaging.system": "processing_queue",
        "messaging.operation.type": "process",
        "messaging.destination.name": flow_name,
        "processing_queue.flow_instance_id": str(flow_instance_id),
    }


def _context(trace_context: str | None) -> "Context":
    """Without a valid trace context, a new trace begins."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": trace_context or ""})


def _links_to_producers(records: Sequence[Record]) -> "list[Link]":
    from opentelemetry.trace import Link, get_current_span

    links: list[Link] = []
    for record in records:
        producer = get_current_span(_context(record.trace_context)).get_span_context()
        if producer.is_valid:
            links.append(Link(producer, {"processing_queue.record_id": record.id}))
    return links


@contextmanager
def _errors_in(span: "Span") -> Generator[None]:
    from opentelemetry.trace import StatusCode

    try:
        yield
    except BaseException as error:
        if not _is_snooze(error):
            span.set_status(
                StatusCode.ERROR, type(error).__name__
            )  # the message of the error may hold secrets
        raise


def _is_snooze(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return error.split(SnoozeRecord)[1] is None
    return isinstance(error, SnoozeRecord)


def check_tracing() -> None:
    """Raises SettingsError if TRACING is on and the extra `tracing` is not installed."""
    if load_processor_settings().tracing and find_spec("opentelemetry") is None:
        raise SettingsError(["TRACING needs the extra: pip install 'processing-queue[tracing]'"])


def trace_attempts() -> Tracing:
    """Call this in a worker process after the fork, because exporters have threads."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if not isinstance(trace.get_tracer_provider(), TracerProvider):  # an application's own provider is kept
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)
    tracing = Tracing(trace.get_tracer("processing_queue"))
    observe_with(tracing)
    return tracing


def flush_spans() -> None:
    """Exports the last spans before the process ends. Waits for a few seconds at most. The exporter's own time limit is
    longer, and would delay the end of the process."""
    from opentelemetry import trace

    flush = getattr(trace.get_tracer_provider(), "force_flush", None)
    if flush is None:
        return
    flushing = threading.Thread(target=flush, name="flush_spans", daemon=True)
    flushing.start()
    flushing.join(FLUSH_SECONDS)
    if flushing.is_alive():
        logger.warning("the last spans could not be sent within %g s", FLUSH_SECONDS)

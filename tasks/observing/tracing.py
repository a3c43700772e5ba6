"""OpenTelemetry: a span for each attempt, in the trace of whoever enqueued the record and linked to its run.

On with the setting TRACING and the extra `tracing`. Where spans go is said by OpenTelemetry's own variables
(OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME …). An enqueue inside of a span carries its context in the record;
applications in other languages write a W3C traceparent into `trace_context`.
"""

from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from queue_store.errors import SettingsError
from queue_store.record import Record
from queue_store.settings import load_processor_settings
from tasks.exceptions import SnoozeRecord
from tasks.observing import observe_with

if TYPE_CHECKING:
    from opentelemetry.trace import Link, Tracer


class Tracing:
    def __init__(self, tracer: "Tracer") -> None:
        self._tracer = tracer
        self._run_id: Any = None
        self._run_link: Link | None = None

    @contextmanager
    def attempt(self, record: Record) -> Generator[None]:
        """The span of one attempt. A snooze is no error."""
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        producer = TraceContextTextMapPropagator().extract({"traceparent": record.trace_context or ""})
        attributes: dict[str, Any] = {
            "messaging.system": "processing_queue",
            "messaging.operation.type": "process",
            "messaging.destination.name": record.flow_name,
            "processing_queue.record_id": record.id,
            "processing_queue.flow_instance_id": str(record.flow_instance_id),
            "processing_queue.attempt": record.attempt_number,
        }
        if record.correlation_id is not None:
            attributes["messaging.message.conversation_id"] = record.correlation_id
        with self._tracer.start_as_current_span(
            f"process {record.flow_name}", producer, trace.SpanKind.CONSUMER, attributes,
            links=[self._link_to_run(record)], record_exception=False, set_status_on_exception=False,
        ) as span:  # fmt: skip
            try:
                yield
            except SnoozeRecord:
                raise
            except BaseException as error:
                span.set_status(trace.StatusCode.ERROR, type(error).__name__)  # its message may hold secrets
                raise

    def _link_to_run(self, record: Record) -> "Link":
        """A run has a span of its own, of no length: it ends before anybody knows how long it will be."""
        from opentelemetry.trace import Link

        if self._run_link is None or self._run_id != record.flow_instance_id:
            span = self._tracer.start_span(
                f"run {record.flow_name}",
                attributes={"processing_queue.flow_instance_id": str(record.flow_instance_id)},
            )
            span.end()
            self._run_id, self._run_link = record.flow_instance_id, Link(span.get_span_context())
        return self._run_link


def check_tracing() -> None:
    """Raises SettingsError when the setting is on and the extra is not installed."""
    if load_processor_settings().tracing and find_spec("opentelemetry") is None:
        raise SettingsError(["TRACING needs the extra: pip install 'processing-queue[tracing]'"])


def trace_attempts() -> Tracing:
    """In a worker process, after the fork: exporters have threads."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if not isinstance(trace.get_tracer_provider(), TracerProvider):  # an application may have set its own
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)
    tracing = Tracing(trace.get_tracer("processing_queue"))
    observe_with(tracing.attempt)
    return tracing

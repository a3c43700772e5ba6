"""The W3C trace context of the producer. A hint carries the trace context, and so does a record that is enqueued alone.
An application that has not loaded OpenTelemetry has no trace context, and pays nothing for tracing."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any


def current_trace_context() -> str | None:
    """The `traceparent` of the current span; None if there is no span."""
    trace = _loaded_trace()
    if trace is None:
        return None
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


@contextmanager
def producer_span(operation: str, flow_name: object) -> Generator[None]:
    """A span for an action of a producer. The application's own tracer provider creates the span."""
    trace = _loaded_trace()
    if trace is None:
        yield
        return
    name = str(flow_name).encode("ascii", "backslashreplace").decode()[:64]  # the name is not checked yet
    attributes = {
        "messaging.system": "processing_queue",
        "messaging.operation.type": "send",
        "messaging.destination.name": name,
    }
    with trace.get_tracer("processing_queue").start_as_current_span(
        f"{operation} {name}", kind=trace.SpanKind.PRODUCER, attributes=attributes,
        record_exception=False, set_status_on_exception=False,
    ) as span:  # fmt: skip
        try:
            yield
        except BaseException as error:
            span.set_status(trace.StatusCode.ERROR, type(error).__name__)  # the message may contain a payload
            raise


def _loaded_trace() -> Any:
    """OpenTelemetry's module, if the application has loaded it. While another thread is still importing the module, its
    names are missing."""
    trace = sys.modules.get("opentelemetry.trace")
    is_complete = trace is not None and not getattr(getattr(trace, "__spec__", None), "_initializing", False)
    return trace if is_complete else None

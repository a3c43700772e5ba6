"""The W3C trace context of whoever enqueues, for the record to carry."""

import sys


def current_trace_context() -> str | None:
    """The `traceparent` of the current span; None without one. An application that never loaded OpenTelemetry has
    none, and pays nothing."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"

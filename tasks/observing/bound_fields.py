"""The flow, run, record and attempt at hand, for whatever is logged meanwhile by whichever logger."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from queue_store.record import Record

_bound: ContextVar[dict[str, Any] | None] = ContextVar("bound_to_logs", default=None)


@contextmanager
def bound_to_logs(record: Record) -> Generator[None]:
    fields = {
        "flow": record.flow_name,
        "run": str(record.flow_instance_id),
        "record": record.id,
        "attempt": record.attempt_number,
        "correlation_id": record.correlation_id,
    }
    token = _bound.set({name: value for name, value in fields.items() if value is not None})
    try:
        yield
    finally:
        _bound.reset(token)


def bound_fields() -> dict[str, Any]:
    return _bound.get() or {}

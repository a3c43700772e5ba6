"""Holds the current flow, run, record and attempt, which `json_logs` adds to the lines of every logger."""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

from queue_store.records.record import Record
from queue_store.runs.run import Run

_bound: ContextVar[dict[str, Any] | None] = ContextVar("bound_to_logs", default=None)


class BoundFields:
    def run(self, run: Run, trace_context: str | None) -> AbstractContextManager[None]:
        return _bind({"flow": run.options.flow_name, "run": str(run.flow_instance_id)})

    def attempt(self, record: Record) -> AbstractContextManager[None]:
        return _bind(fields_of(record))

    def batch(self, records: Sequence[Record]) -> AbstractContextManager[None]:
        """During a batch, the fields name no record, because only the batch handler knows which record a log line is
        about. For a line about one record, the handler can use the `logger` of that record's context."""
        first = records[0]
        fields = {"flow": first.flow_name, "run": str(first.flow_instance_id), "records": len(records)}
        return _bind(fields)


bound_to_logs = BoundFields()


def fields_of(record: Record) -> dict[str, Any]:
    fields = {
        "flow": record.flow_name,
        "run": str(record.flow_instance_id),
        "record": record.id,
        "attempt": record.attempt_number,
        "correlation_id": record.correlation_id,
    }
    return {name: value for name, value in fields.items() if value is not None}


def bound_fields() -> dict[str, Any]:
    return _bound.get() or {}


@contextmanager
def _bind(fields: dict[str, Any]) -> Generator[None]:
    token = _bound.set(fields)
    try:
        yield
    finally:
        _bound.reset(token)

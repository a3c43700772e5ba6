"""The state of a task, read from its record, for the program that enqueued the task."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from queue_store.database.statements import NamedStatement
from queue_store.enqueueing.connections import run
from queue_store.enqueueing.steps import Steps

if TYPE_CHECKING:
    from queue_store.enqueueing.connections import SyncConnection


@dataclass(frozen=True, slots=True)
class TaskState:
    """`exception_type` and `traceback` are those of the last unsuccessful attempt."""

    record_id: int
    flow_name: str
    status: str
    result: Any
    error_message: str | None
    retry_count: int
    completed_at: datetime | None
    payload: Any
    claimed_at: datetime | None
    exception_type: str | None
    traceback: str | None


def read_task_state(
    connection: "SyncConnection", *, record_id: int | None = None, task_id: str | None = None
) -> TaskState | None:
    """Finds the task by the id of its record, or by the task id that its producer chose. Returns None if no such
    record is visible through this connection. Raises QueueStoreError."""
    return run(connection, _steps(record_id, task_id))


def stored_task_ids(connection: "SyncConnection", task_ids: Iterable[str]) -> set[str]:
    """Those of these task ids that producers chose for records which are visible through this connection. Raises
    QueueStoreError."""
    return run(connection, _stored(list(task_ids)))


def _steps(record_id: int | None, task_id: str | None) -> Steps[TaskState | None]:
    rows = yield NamedStatement("enqueueing/task_state", {"record_id": record_id, "task_id": task_id})
    return TaskState(*rows[0]) if rows else None


def _stored(task_ids: list[str]) -> Steps[set[str]]:
    rows = yield NamedStatement("enqueueing/stored_task_ids", {"task_ids": task_ids})
    return {row[0] for row in rows}

"""Shows a record as the result of a task, with its status and the errors of all attempts."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from queue_store.database.cursors import OwnCursor
from queue_store.errors import UnknownRecordError
from queue_store.readings.record_details import Attempt, RecordDetails, read_attempts, read_record_details
from queue_store.records.record import check_record_id

from ..authoring.context import FlowContext
from .database import driver_connection
from .payloads import arguments_of, task_of
from .task_library import InvalidTask, TaskError, TaskResult, TaskResultDoesNotExist, TaskResultStatus

_STATUSES = {
    "pending": TaskResultStatus.READY,
    "processing": TaskResultStatus.RUNNING,
    "completed": TaskResultStatus.SUCCESSFUL,
    "failed": TaskResultStatus.FAILED,
    "cancelled": TaskResultStatus.FAILED,
}
_OWN_KINDS = ("WorkerProcessDied", "ClaimWithoutOutcome")


def read_result(database: str, alias: str, result_id: str) -> Any:
    """Reads the record through Django's connection, so that a record enqueued in the open transaction is found. Raises
    TaskResultDoesNotExist."""
    try:
        record_id = int(result_id) if str(result_id).isascii() and str(result_id).isdigit() else None
        check_record_id(record_id)
        assert record_id is not None
        with OwnCursor(driver_connection(database)) as cursor:
            details = read_record_details(cursor, record_id)
        task = task_of(details.record["flow_name"], details.record["payload"], alias)
    except (UnknownRecordError, InvalidTask) as error:
        raise TaskResultDoesNotExist(f"{result_id}: {error}") from error
    return _result_of(details, task, alias)


def running_result(task: Any, context: FlowContext, attempts: Sequence[Attempt]) -> Any:
    """The result of a record on which a worker is working. `attempts`: the earlier attempts, newest first. Raises
    PermanentError."""
    args, kwargs = arguments_of(context.payload)
    record = context.record
    started_at = _started_at(attempts)
    return TaskResult(
        task=task_of(record.flow_name, context.payload, task.backend),
        id=str(record.id),
        status=TaskResultStatus.RUNNING,
        enqueued_at=record.created_at,
        started_at=started_at or record.claimed_at,
        finished_at=None,
        last_attempted_at=record.claimed_at,
        args=args,
        kwargs=kwargs,
        backend=task.backend,
        errors=_errors(attempts),
        worker_ids=[*_worker_ids(attempts), str(record.flow_instance_id)],
    )


def previous_attempts(database: str, context: FlowContext) -> list[Attempt]:
    """The record's earlier attempts, newest first. A record that is claimed for the first time has no earlier attempts,
    so the database is not queried."""
    if context.claim_number == 1:
        return []
    with OwnCursor(driver_connection(database)) as cursor:
        return read_attempts(cursor, context.record_id)


def _result_of(details: RecordDetails, task: Any, alias: str) -> Any:
    record, attempts = details.record, details.attempts
    args, kwargs = arguments_of(record["payload"])
    is_cancelled = record["status"] == "cancelled"
    worker_ids = _worker_ids(attempts)
    owner = record["flow_instance_id"]
    if owner is not None and record["claim_number"] not in [attempt.claim_number for attempt in attempts[:1]]:
        worker_ids.append(str(owner))
    result = TaskResult(
        task=task,
        id=str(record["id"]),
        status=_STATUSES[record["status"]],
        enqueued_at=record["created_at"],
        started_at=_started_at(attempts) or record["started_at"] or record["claimed_at"],
        finished_at=_finished_at(record, attempts),
        last_attempted_at=record["started_at"] or record["claimed_at"] or _last_attempted_at(attempts),
        args=args,
        kwargs=kwargs,
        backend=alias,
        errors=[*_errors(attempts), *([_cancelled(details)] if is_cancelled else [])],
        worker_ids=worker_ids,
    )
    object.__setattr__(result, "_return_value", record["result"])
    return result


def _finished_at(record: dict[str, Any], attempts: Sequence[Attempt]) -> datetime | None:
    if record["status"] in ("pending", "processing"):
        return None
    if record["status"] == "failed" and attempts:
        return attempts[0].finished_at
    return record["completed_at"] or record["updated_at"]


def _started_at(attempts: Sequence[Attempt]) -> datetime | None:
    return attempts[-1].started_at or attempts[-1].finished_at if attempts else None


def _last_attempted_at(attempts: Sequence[Attempt]) -> datetime | None:
    return attempts[0].started_at or attempts[0].finished_at if attempts else None


def _worker_ids(attempts: Sequence[Attempt]) -> list[str]:
    return [str(attempt.flow_instance_id) for attempt in reversed(attempts)]


def _errors(attempts: Sequence[Attempt]) -> list[Any]:
    """Oldest first, as in Django's results."""
    return [
        TaskError(
            exception_class_path=exception_path(attempt.exception_type, attempt.traceback or ""),
            traceback=attempt.traceback or attempt.error_message,
        )
        for attempt in reversed(attempts)
    ]


def exception_path(name: str, traceback: str) -> str:
    """The dotted path of an exception's class. The module is read from the traceback. If the traceback names no
    module, the class is a built-in one."""
    if name in _OWN_KINDS:
        return f"processing_queue.django.errors.{name}"
    modules = re.findall(rf"^[\s|]*(?:([\w.]+)\.)?{re.escape(name)}(?::|$)", traceback, re.MULTILINE)
    return f"{(modules and modules[-1]) or 'builtins'}.{name}"


def _cancelled(details: RecordDetails) -> Any:
    text = "the record was cancelled"
    if details.record["error_message"]:
        text = f"{text}: {details.record['error_message']}"
    return TaskError(exception_class_path="processing_queue.RecordCancelled", traceback=text)

"""Records with a task id that their producer has chosen."""

from typing import TYPE_CHECKING

from queue_store.database.statements import NamedStatement
from queue_store.enqueueing.connections import run
from queue_store.enqueueing.new_record import (
    KEY_LENGTH,
    NewRecord,
    check_record,
    check_text,
    checked_flow_name,
)
from queue_store.enqueueing.steps import Enqueued, Steps, refuse_flow
from queue_store.enqueueing.trace_context import producer_span
from queue_store.errors import DuplicateRecordError

if TYPE_CHECKING:
    from queue_store.enqueueing.connections import SyncConnection


def enqueue_with_task_id(
    connection: "SyncConnection", flow_name: str, record: NewRecord, task_id: str
) -> Enqueued:
    """Write one record in the caller's transaction. No other record can have this task id until this record is
    purged.

    Raises PayloadRejectedError, UnknownFlowError, DuplicateRecordError, IngestionStoppedError.
    """
    check_text(task_id, "task_id", KEY_LENGTH)
    with producer_span("enqueue", flow_name):
        return run(connection, _steps(flow_name, record, task_id))


def _steps(flow_name: str, record: NewRecord, task_id: str) -> Steps[Enqueued]:
    flow_name = checked_flow_name(flow_name)
    parameters = {"flow_name": flow_name, "task_id": task_id} | check_record(record)
    rows = yield NamedStatement("enqueueing/enqueue_with_task_id", parameters)
    record_id, what, celery_queue = rows[0]
    if what == "unknown flow":
        yield from refuse_flow(flow_name)
    if what == "same task id":
        raise DuplicateRecordError(
            f"record {record_id} has the task id {ascii(task_id)[:64]}: choose another one, or none"
        )
    return Enqueued(record_id, is_duplicate=False, flow_name=flow_name, celery_queue=celery_queue)

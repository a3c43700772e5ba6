"""Everything that is known about one run: its process, its records by outcome, and its processing records."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor

from queue_store.database.rows import row_as, rows_as
from queue_store.database.statements import sql
from queue_store.errors import UnknownRunError

ROWS_AT_MOST = 50


@dataclass(frozen=True, slots=True)
class RunDetails:
    """`records_…`: how many records had each outcome, as of the run's last heartbeat or end. The fields of the
    process are None if the row of the process has been deleted."""

    flow_instance_id: UUID
    flow_name: str
    state: str
    worker_process_id: UUID
    hostname: str | None
    pid: int | None
    process_state: str | None
    version: str | None
    celery_task_id: str | None
    started_at: datetime
    heartbeat_at: datetime
    finished_at: datetime | None
    batch_count: int
    records_claimed: int
    records_completed: int
    records_retried: int
    records_failed: int
    records_snoozed: int
    records_released: int
    records_cancelled: int
    records_refused: int
    error_message: str | None


@dataclass(frozen=True, slots=True)
class RecordOfRun:
    id: int
    priority: int
    claimed_at: datetime
    started_at: datetime | None
    retry_count: int
    crash_strikes: int


@dataclass(frozen=True, slots=True)
class AttemptOfRun:
    """`status`: the record's present status; None if the record was purged."""

    record_id: int
    flow_name: str
    status: str | None
    attempt_number: int
    outcome: str
    exception_type: str
    error_message: str
    error_group: str
    finished_at: datetime


def read_run_details(cursor: Cursor[Any], flow_instance_id: UUID) -> RunDetails:
    """Raises UnknownRunError."""
    parameters = {"flow_instance_id": flow_instance_id}
    run = row_as(cursor.execute(sql("readings/run_details"), parameters), RunDetails)
    if run is None:
        raise UnknownRunError(
            f"there is no run {flow_instance_id}: it never claimed anything, or its row was purged"
        )
    return run


def read_records_of_run(
    cursor: Cursor[Any], flow_instance_id: UUID, limit: int = ROWS_AT_MOST
) -> list[RecordOfRun]:
    """The records that are processing under the run now, oldest first."""
    parameters = {"flow_instance_id": flow_instance_id, "limit": limit}
    return rows_as(cursor.execute(sql("readings/records_of_run"), parameters, prepare=False), RecordOfRun)


def read_attempts_of_run(
    cursor: Cursor[Any], flow_instance_id: UUID, limit: int = ROWS_AT_MOST
) -> list[AttemptOfRun]:
    """The run's attempts that did not succeed, newest first."""
    parameters = {"flow_instance_id": flow_instance_id, "limit": limit}
    return rows_as(cursor.execute(sql("readings/attempts_of_run"), parameters), AttemptOfRun)

"""Everything that is known about one record."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor

from queue_store.database.rows import rows_as
from queue_store.database.statements import sql
from queue_store.errors import UnknownRecordError


@dataclass(frozen=True, slots=True)
class Attempt:
    """An unsuccessful attempt. The unsuccessful attempts of a record are the history of its failures and crashes."""

    attempt_number: int
    claim_number: int
    outcome: str
    exception_type: str
    error_message: str
    error_group: str
    traceback: str | None
    flow_instance_id: UUID
    started_at: datetime | None
    finished_at: datetime
    hostname: str | None
    pid: int | None


@dataclass(frozen=True, slots=True)
class RecordDetails:
    """`record` has every column of processing_queue, and the payload's size. `attempts`: newest first. `run` is the run
    that owns the record, or that finished it. `run` is None for a pending record, for a record that finished without a
    run, and for a record whose run's row has been deleted."""

    record: dict[str, Any]
    attempts: list[Attempt]
    progress: dict[str, Any] | None
    cancel_request: dict[str, Any] | None
    run: dict[str, Any] | None


def read_record_details(
    cursor: Cursor[Any], record_id: int, attempts_at_most: int | None = None
) -> RecordDetails:
    """Raises UnknownRecordError."""
    parameters = {"record_id": record_id}
    record = _one(cursor, "readings/record", parameters)
    if record is None:
        raise UnknownRecordError(
            f"there is no record {record_id}: it was never enqueued, rolled back, or purged"
        )
    return RecordDetails(
        record,
        read_attempts(cursor, record_id, attempts_at_most),
        _one(cursor, "readings/progress", parameters),
        _one(cursor, "readings/cancel_request", parameters),
        _one(cursor, "readings/run", {"flow_instance_id": record["flow_instance_id"]}),
    )


def read_attempts(cursor: Cursor[Any], record_id: int, limit: int | None = None) -> list[Attempt]:
    """Newest first."""
    parameters = {"record_id": record_id, "limit": limit}
    return rows_as(cursor.execute(sql("readings/record_attempts"), parameters), Attempt)


def _one(cursor: Cursor[Any], statement: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
    row = cursor.execute(sql(statement), parameters).fetchone()
    names = [column.name for column in cursor.description or ()]
    return None if row is None else dict(zip(names, row, strict=True))

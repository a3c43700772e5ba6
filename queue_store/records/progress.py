"""The progress that a handler reports."""

from typing import Any

from psycopg import Cursor
from psycopg.errors import CheckViolation

from queue_store.database.statements import sql
from queue_store.errors import PayloadRejectedError
from queue_store.records.record import Record


def report(cursor: Cursor[Any], record: Record, encoded_progress: bytes) -> bool:
    """Store the progress without waiting for the record's lock. Returns False if the record is not owned under this
    claim any more. Raises PayloadRejectedError if the progress is too large as jsonb. In jsonb, even a number of
    one digit takes 12 bytes."""
    parameters = {
        "record_id": record.id,
        "claim_number": record.claim_number,
        "flow_instance_id": record.flow_instance_id,
        "progress": encoded_progress.decode(),
    }
    try:
        return cursor.execute(sql("runs/report_progress"), parameters).fetchone() is not None
    except CheckViolation:
        raise PayloadRejectedError(
            "progress", "takes more than 16 kB as jsonb: report fewer values"
        ) from None

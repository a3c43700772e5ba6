"""The progress that a handler reports."""

from typing import Any

from psycopg import Cursor

from queue_store.database.statements import sql
from queue_store.records.record import Record


def report(cursor: Cursor[Any], record: Record, encoded_progress: bytes) -> bool:
    """Store the progress without waiting for the record's lock. Returns False if the record is not owned under this
    claim any more."""
    parameters = {
        "record_id": record.id,
        "claim_number": record.claim_number,
        "flow_instance_id": record.flow_instance_id,
        "progress": encoded_progress.decode(),
    }
    return cursor.execute(sql("runs/report_progress"), parameters).fetchone() is not None

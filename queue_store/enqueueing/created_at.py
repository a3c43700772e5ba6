"""Lets a producer read the creation time of a record that it has just enqueued."""

from datetime import datetime
from typing import Any

from psycopg import Cursor

from queue_store.database.statements import sql
from queue_store.errors import UnknownRecordError


def read_created_at(cursor: Cursor[Any], record_id: int) -> datetime:
    """The time at which the transaction that enqueued the record began, by the database's clock. Raises
    UnknownRecordError."""
    row = cursor.execute(sql("enqueueing/created_at"), {"record_id": record_id}).fetchone()
    if row is None:
        raise UnknownRecordError(f"there is no record {record_id} that this login has enqueued")
    return row[0]

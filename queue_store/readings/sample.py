"""The records of the sample survey, for `queuectl up`."""

from collections.abc import Sequence
from typing import Any

from psycopg import Cursor

from queue_store.database.statements import sql


def read_statuses(cursor: Cursor[Any], record_ids: Sequence[int]) -> dict[int, str]:
    rows = cursor.execute(sql("sample/statuses_of"), {"ids": list(record_ids)}).fetchall()
    return dict(rows)


def read_seconds_of_work(cursor: Cursor[Any], record_ids: Sequence[int]) -> float | None:
    """The time from the first claim to the last completion. None when no record is completed."""
    row = cursor.execute(sql("sample/claimed_to_completed_seconds"), {"ids": list(record_ids)}).fetchone()
    return row[0] if row else None

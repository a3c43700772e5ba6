"""Reads failed records, newest first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from queue_store.database.rows import rows_as
from queue_store.database.statements import sql
from queue_store.readings.error_text import error_text


@dataclass(frozen=True, slots=True)
class FailedRecord:
    """`exception_type`: None if no stored attempt has the error message of the record."""

    id: int
    flow_name: str
    retry_count: int
    crash_strikes: int
    failed_at: datetime
    error_message: str
    exception_type: str | None

    @property
    def text(self) -> str:
        return error_text(self.exception_type, self.error_message)


def read_failed_records(
    cursor: Cursor[Any], seconds: float, flow_name: str | None = None, limit: int = 100
) -> list[FailedRecord]:
    parameters = {"seconds": seconds, "flow_name": flow_name, "limit": limit}
    return rows_as(cursor.execute(sql("readings/failed_records"), parameters), FailedRecord)

"""A status table of the application's own: a row for each thing to do, with a column for its status."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from psycopg import Cursor
from psycopg.sql import Identifier

from queue_store.enqueueing import NewRecord
from queue_store.moving_in.source import Job, Waiting, require_columns, statement, table_of

NO_JSON = "its payload is text that is not JSON"
NO_INSTANT = "its time is not an instant with a time zone"


@dataclass(frozen=True, slots=True)
class Columns:
    """The meaning of the columns. `payload`: the column that holds JSON. `fields`: the columns that make up the payload
    if no column holds JSON; by default all except `status`."""

    status: str = "status"
    id: str = "id"
    payload: str | None = None
    fields: tuple[str, ...] = ()
    priority: str | None = None
    scheduled_at: str | None = None
    dedup_key: str | None = None
    order_key: str | None = None

    def named(self) -> list[str]:
        single = (
            self.status,
            self.id,
            self.payload,
            self.priority,
            self.scheduled_at,
            self.dedup_key,
            self.order_key,
        )
        return [*(name for name in single if name is not None), *self.fields]


class StatusTable:
    """Rows whose status is in the list `pending` become records of the flow, and get the status `moved`."""

    def __init__(
        self,
        table: str,
        flow_name: str,
        columns: Columns,
        pending: Sequence[str],
        moved: str,
        schema: str | None,
    ) -> None:
        self.label = f"table {table}"
        self._flow_name = flow_name
        self._columns = columns
        self._pending = list(pending)
        self._moved = moved
        self._table = table
        self.schema = schema
        self._jobs = table_of(schema, table)
        self._identifiers = {
            "jobs": self._jobs, "status": Identifier(columns.status), "id": Identifier(columns.id),
        }  # fmt: skip

    def check(self, cursor: Cursor[Any]) -> None:
        require_columns(cursor, self._jobs, self._columns.named(), self._table)

    def count(self, cursor: Cursor[Any]) -> Waiting:
        identifiers = {name: self._identifiers[name] for name in ("jobs", "status")}
        row = cursor.execute(statement("table_counts", **identifiers), {"pending": self._pending}).fetchone()
        return Waiting(*(row or (0, 0)))

    def take(self, cursor: Cursor[Any], after_id: Any, limit: int) -> tuple[list[Job], Any]:
        name = "table_rows" if after_id is None else "table_next_rows"
        parameters = {"pending": self._pending, "limit": limit, "after_id": after_id}
        rows = cursor.execute(statement(name, **self._identifiers), parameters).fetchall()
        return [self._job(row_id, row) for row_id, row in rows], rows[-1][0] if rows else after_id

    def mark_moved(self, cursor: Cursor[Any], job_ids: Sequence[Any]) -> None:
        parameters = {"moved": self._moved, "ids": list(job_ids)}
        cursor.execute(statement("table_moved", **self._identifiers), parameters)

    def _job(self, row_id: Any, row: dict[str, Any]) -> Job:
        columns = self._columns
        payload, problem = self._payload(row)
        scheduled_at = None
        if columns.scheduled_at is not None and row[columns.scheduled_at] is not None:
            scheduled_at = _instant(row[columns.scheduled_at])
            if scheduled_at is None:
                problem = problem or NO_INSTANT
        record = NewRecord(
            payload,
            priority=None if columns.priority is None else row[columns.priority],
            scheduled_at=scheduled_at,
            dedup_key=_text(row, columns.dedup_key),
            order_key=_text(row, columns.order_key),
            correlation_id=f"{self._table} {row_id}"[:255],
        )
        return Job(row_id, self._table, self._flow_name, record, problem)

    def _payload(self, row: dict[str, Any]) -> tuple[Any, str | None]:
        if self._columns.payload is None:
            names = self._columns.fields or tuple(name for name in row if name != self._columns.status)
            return {name: row[name] for name in names}, None
        payload = row[self._columns.payload]
        if not isinstance(payload, str):
            return payload, None
        try:
            return orjson.loads(payload), None
        except orjson.JSONDecodeError:
            return None, NO_JSON


def _text(row: dict[str, Any], column: str | None) -> str | None:
    return None if column is None or row[column] is None else str(row[column])


def _instant(value: Any) -> datetime | None:
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return instant if instant.utcoffset() is not None else None

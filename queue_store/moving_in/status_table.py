"""A status table of the application's own: a row for each thing to do, with a column for its status."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Cursor
from psycopg.sql import SQL, Composable, Identifier

from queue_store.enqueueing import NewRecord
from queue_store.errors import PayloadRejectedError, QueueStoreError
from queue_store.moving_in.source import (
    Job,
    Waiting,
    decoded,
    instant,
    require_all_moved,
    require_columns,
    statement,
    table_of,
)
from queue_store.records.payload import decode_json

NO_JSON = "its payload is text that is not JSON"
NO_TABLE = "{table} is not a table, so no index can ensure that its ids are unique: name the table that holds the rows"
NO_ID = (
    "the column {id} of the table {table} need not identify a row: make the column NOT NULL and create a unique index "
    "on it alone, or name another column with --id-column; partitions can be imported one by one"
)
NO_ARRAY = (
    "the column {id} of the table {table} has the type {type}, and the import cannot find rows by an array: name "
    "another column with --id-column"
)
EVERY_DIGIT = "SET LOCAL extra_float_digits = 1"  # a login may have a setting that rounds floats
JSON_TYPES = (114, 3802)  # json, jsonb: the same in every database


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
        # `check` sets these: the names of the columns to read, whether the payload's column is json or jsonb, how to
        # read the id, and the id's type. Python cannot hold the values of every type, so each id that is no integer is
        # read as text. Postgres turns this text back into a value of the id's type.
        self._wanted = columns.named()
        self._holds_json = False
        self._id: Composable = SQL("source.{}").format(self._identifiers["id"])
        self._id_type = Identifier("pg_catalog", "int8")

    def check(self, cursor: Cursor[Any]) -> None:
        columns = self._columns
        names = require_columns(cursor, self._jobs, columns.named(), self._table)
        if columns.payload is not None:
            payload = Identifier(columns.payload)
            cursor.execute(statement("table_payload_type", jobs=self._jobs, payload=payload), {})
            self._holds_json = (cursor.description or [])[0].type_code in JSON_TYPES
        elif not columns.fields:
            self._wanted = names
        self._check_id(cursor)

    def _check_id(self, cursor: Cursor[Any]) -> None:
        table = self._jobs.as_string(cursor.connection)
        parameters = {"table": table, "id": self._columns.id}
        row = cursor.execute(statement("table_id_column"), parameters).fetchone()
        is_table, is_unique, *id_type = row or (False, False)
        if not is_table:
            raise QueueStoreError(NO_TABLE.format(table=table))
        schema, name, usual_name, is_array, is_integer, is_time = id_type
        self._id_type = Identifier(schema, name)
        if not is_unique:
            raise QueueStoreError(NO_ID.format(id=self._columns.id, table=table))
        if is_array:
            raise QueueStoreError(NO_ARRAY.format(id=self._columns.id, table=table, type=usual_name))
        if not is_integer:
            as_text = "to_json(source.{}) #>> '{{}}'" if is_time else "source.{}::text"
            self._id = SQL(as_text).format(self._identifiers["id"])

    def count(self, cursor: Cursor[Any]) -> Waiting:
        identifiers = {name: self._identifiers[name] for name in ("jobs", "status")}
        row = cursor.execute(statement("table_counts", **identifiers), {"pending": self._pending}).fetchone()
        return Waiting(*(row or (0, 0)))

    def take(self, cursor: Cursor[Any], after_id: Any, limit: int) -> tuple[list[Job], Any]:
        name = "table_rows" if after_id is None else "table_next_rows"
        texts = [SQL("to_json(source.{})::text").format(Identifier(column)) for column in self._wanted]
        parts = {"shown_id": self._id, "id_type": self._id_type, "values": SQL(", ").join(texts)}
        taking = statement(name, **parts, **self._identifiers)
        cursor.execute(EVERY_DIGIT)
        parameters = {"pending": self._pending, "limit": limit, "after_id": after_id}
        rows = cursor.execute(taking, parameters).fetchall()
        jobs = [self._job(row_id, dict(zip(self._wanted, values, strict=True))) for row_id, values in rows]
        return jobs, rows[-1][0] if rows else after_id

    def mark_moved(self, cursor: Cursor[Any], job_ids: Sequence[Any]) -> None:
        parameters = {"moved": self._moved, "ids": list(job_ids), "pending": self._pending}
        cursor.execute(statement("table_moved", id_type=self._id_type, **self._identifiers), parameters)
        require_all_moved(cursor, job_ids, self._jobs)

    def _job(self, row_id: Any, row: dict[str, str | None]) -> Job:
        """`row`: each column as JSON, or None for NULL."""
        columns = self._columns
        payload, problem = self._payload(row)
        priority = None
        if columns.priority is not None:
            priority, unreadable = decoded(_encoded(row, columns.priority), NO_JSON, "priority")
            problem = problem or unreadable
        scheduled_at, no_instant = instant(_text(row, columns.scheduled_at))
        record = NewRecord(
            payload,
            priority=priority,
            scheduled_at=scheduled_at,
            dedup_key=_text(row, columns.dedup_key),
            order_key=_text(row, columns.order_key),
            correlation_id=f"{self._table} {row_id}"[:255],
        )
        return Job(row_id, self._table, self._flow_name, record, problem or no_instant)

    def _payload(self, row: dict[str, str | None]) -> tuple[Any, str | None]:
        if self._columns.payload is None:
            names = self._columns.fields or tuple(name for name in row if name != self._columns.status)
            try:
                return {name: decode_json(_encoded(row, name), f"payload.{name}") for name in names}, None
            except PayloadRejectedError as error:
                return None, str(error)
        value, problem = decoded(_encoded(row, self._columns.payload), NO_JSON)
        if isinstance(value, str) and not self._holds_json:
            return decoded(value.encode(), NO_JSON)
        return value, problem


def _encoded(row: dict[str, str | None], column: str) -> bytes:
    return (row[column] or "null").encode()


def _text(row: dict[str, str | None], column: str | None) -> str | None:
    """Returns the value as text. A number keeps the digits that Postgres wrote, so two different numbers never become
    the same text."""
    text = None if column is None else row[column]
    if text is None or text.strip() == "null":
        return None
    return json.loads(text) if text.lstrip().startswith('"') else text

"""The common interface of the systems from which jobs are moved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, Protocol, cast

from psycopg import Cursor
from psycopg.sql import SQL, Composable, Composed, Identifier

from queue_store.database.any_json import read_as_given
from queue_store.database.statements import sql
from queue_store.enqueueing import NewRecord
from queue_store.errors import PayloadRejectedError, QueueStoreError
from queue_store.records.payload import decode_json

NO_INSTANT = "its time is not an instant with a time zone"


@dataclass(slots=True)
class Job:
    """A waiting job, locked in the caller's transaction. `name`: the job's task_name, entrypoint or table. `flow_name`:
    the flow of the record that the job becomes. `problem`: why the job cannot be moved. `came_early`: the job's id is
    after the end of this batch, but the job must move together with a job of the batch. `group`: the jobs of a group
    become records of one flow. Either all of them move, or no job of the group moves. If `group` is None, the job moves
    alone."""

    id: Any
    name: str
    flow_name: str
    record: NewRecord
    problem: str | None = None
    came_early: bool = False
    group: str | tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """`running`: jobs that a worker of the other system is running. Running jobs stay in the other system."""

    waiting: int
    running: int


class Source(Protocol):
    """A system from which jobs are moved."""

    @property
    def label(self) -> str:
        """The name that the audit log uses for this source."""
        ...

    @property
    def schema(self) -> str | None:
        """The schema of the source's tables; None if the search_path finds them."""
        ...

    def check(self, cursor: Cursor[Any]) -> None:
        """Raises QueueStoreError if the source's tables are not as expected."""
        ...

    def count(self, cursor: Cursor[Any]) -> Waiting: ...

    def take(self, cursor: Cursor[Any], after_id: Any, limit: int) -> tuple[list[Job], Any]:
        """Locks and returns the next waiting jobs after `after_id`, or the first ones if `after_id` is None. Also
        returns the id after which to continue. Jobs that must move together are returned together, even when there
        are more than `limit`."""
        ...

    def mark_moved(self, cursor: Cursor[Any], job_ids: Sequence[Any]) -> None:
        """Marks these jobs as moved. After the COMMIT, no worker of the other system runs a moved job. Raises
        QueueStoreError if the number of marked jobs is not the number of ids."""
        ...


def statement(name: str, **parts: Composable) -> Composed:
    """The statement `queue_store/sql/moving_in/<name>.sql`, for tables of the other system. Always execute the
    statement with a dict of parameters, even if it is empty: only then does psycopg turn the doubled % in names of
    tables and columns back into one %."""
    escaped = {key: _sql(part.as_string(None).replace("%", "%%")) for key, part in parts.items()}
    return _sql(sql(f"moving_in/{name}").decode()).format(**escaped)


def _sql(text: str) -> SQL:
    return SQL(cast("LiteralString", text))


def require_columns(cursor: Cursor[Any], table: Identifier, columns: Sequence[str], system: str) -> list[str]:
    """Returns the names of all columns of the table, in their order. Raises QueueStoreError if the table or one of the
    `columns` is missing."""
    named = table.as_string(cursor.connection)
    row = cursor.execute("SELECT to_regclass(%s)::oid", (named,)).fetchone()
    if row is None or row[0] is None:
        raise QueueStoreError(
            f"there is no table {named} in this database, so there is nothing of {system} to move"
        )
    found = cursor.execute(
        "SELECT attname::text FROM pg_catalog.pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped"
        " ORDER BY attnum",
        (row[0],),
    ).fetchall()
    names = [name for (name,) in found]
    if missing := sorted(set(columns) - set(names)):
        raise QueueStoreError(f"the table {named} has no column {', '.join(missing)}")
    return names


def require_all_moved(cursor: Cursor[Any], job_ids: Sequence[Any], table: Identifier) -> None:
    """Raises QueueStoreError, which rolls the batch back, unless the cursor's last statement changed as many rows as
    there are `job_ids`."""
    if cursor.rowcount != len(job_ids):
        raise QueueStoreError(
            f"{len(job_ids)} waiting rows of {table.as_string(cursor.connection)} were to be moved, but "
            f"{cursor.rowcount} changed, so this batch was rolled back: look for ids that are not unique, and for "
            "triggers"
        )


def decoded(encoded: bytes | None, not_json: str, field: str = "payload") -> tuple[Any, str | None]:
    """Returns the value and None. If the value cannot be moved unchanged, returns None and the reason instead.
    `not_json`: the reason for bytes that are not JSON. A missing value is null."""
    if encoded is None:
        return None, None
    try:
        return decode_json(encoded, field), None
    except PayloadRejectedError as error:
        return None, str(error) if _is_json(encoded) else not_json
    except ValueError:
        return None, not_json


def instant(value: str | None) -> tuple[datetime | None, str | None]:
    """Returns the time, which Postgres wrote as JSON does, and None. If it is not an instant that Python can hold,
    returns None and the reason instead."""
    if value is None:
        return None, None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None, NO_INSTANT
    return (None, NO_INSTANT) if read.utcoffset() is None else (read, None)


def _is_json(encoded: bytes) -> bool:
    try:
        read_as_given(encoded)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


def table_of(schema: str | None, name: str) -> Identifier:
    """If `schema` is None, Postgres finds the table by the session's search_path."""
    return Identifier(name) if schema is None else Identifier(schema, name)


def level_of(priority: int) -> int:
    """Converts a priority of Procrastinate or PgQueuer, where larger numbers come first and the default is 0. Our
    priorities are 0 to 9, smaller first, 5 by default."""
    return min(9, max(0, 5 - priority))


def mapped(name: str, flow_names: Mapping[str, str]) -> str:
    return flow_names.get(name, name)

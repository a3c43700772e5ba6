"""Reads that do not slow down other sessions: they take only a short time, and large ones use the replica."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from psycopg import Cursor

from queue_store.database.driver_errors import reading_cancelled
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.errors import ConflictError

TIMEOUT_SECONDS = 5.0


@contextmanager
def bounded_read(
    database: DatabaseManager, *, replica: bool = False, timeout_seconds: float | None = None
) -> Generator[Cursor[Any]]:
    """A transaction in which each statement has a time limit. By default, the limit is TIMEOUT_SECONDS. Raises
    DatabaseUnavailableError if the database cannot be reached, a statement exceeds the limit, or the replica cancels a
    reading. So callers need not distinguish between a replica that cancels their reading and a replica that is away.

    Do not read live processes, held snapshots or the primary's own state from the replica. A replica knows only its
    own connections, and a worker looks silent there until its heartbeats have been replicated.
    """
    replica_url = database.settings.replica_url if replica else None
    try:
        with database.transaction(replica=replica) as cursor:
            milliseconds = round((timeout_seconds or TIMEOUT_SECONDS) * 1000)
            cursor.execute(sql("readings/bound_reading"), {"timeout": f"{milliseconds}ms"})
            yield cursor
    except ConflictError as error:
        if replica_url is None:
            raise
        raise reading_cancelled(replica_url, error.__cause__ or error) from error


@contextmanager
def within(cursor: Cursor[Any], seconds: float) -> Generator[None]:
    """Limits each statement of the block to `seconds`. If a statement fails, for example at its limit, the block is
    rolled back, and the transaction can go on. After the block, statements have the limit that they had before."""
    with cursor.connection.transaction():
        row = cursor.execute(sql("readings/limit_time"), {"timeout": f"{round(seconds * 1000)}ms"}).fetchone()
        assert row is not None
        yield
        cursor.execute(sql("readings/limit_time"), {"timeout": row[0]})


def read_replica_lag(database: DatabaseManager) -> float | None:
    """The replica's lag in seconds; None if no replica is configured. Raises DatabaseUnavailableError."""
    if database.settings.replica_url is None:
        return None
    with bounded_read(database, replica=True) as cursor:
        return lag_seconds(cursor)


def lag_seconds(cursor: Cursor[Any]) -> float:
    """The replication lag of this transaction's server, in seconds; 0 if the server follows no other server."""
    row = cursor.execute(sql("readings/replica_lag")).fetchone()
    assert row is not None
    return float(row[0])

"""Reading without getting in anybody's way: for a short time only, and from the replica what is large."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from psycopg import Cursor

from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql

TIMEOUT_SECONDS = 5.0


@contextmanager
def bounded_read(
    database: DatabaseManager, *, replica: bool = False, timeout_seconds: float | None = None
) -> Generator[Cursor[Any]]:
    """A transaction in which no statement takes longer (None: TIMEOUT_SECONDS). Raises DatabaseUnavailableError, also
    for one that does.

    Ask the primary about the primary itself, who is alive and who holds snapshots. A replica knows only its own
    connections, and sees a worker as silent while its heartbeats have not arrived yet.
    """
    with database.transaction(replica=replica) as cursor:
        milliseconds = round((timeout_seconds or TIMEOUT_SECONDS) * 1000)
        cursor.execute(sql("readings/bound_reading"), {"timeout": f"{milliseconds}ms"})
        yield cursor


def read_replica_lag(database: DatabaseManager) -> float | None:
    """Seconds; None where no replica is configured. Raises DatabaseUnavailableError."""
    if database.settings.replica_url is None:
        return None
    with bounded_read(database, replica=True) as cursor:
        return lag_seconds(cursor)


def lag_seconds(cursor: Cursor[Any]) -> float:
    """How far the server of this transaction is behind the one it follows; 0 where it follows none."""
    row = cursor.execute(sql("readings/replica_lag")).fetchone()
    assert row is not None
    return float(row[0])

"""Helpers that force a race: hold a lock, wait until the rival waits for it, and release it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from queue_store.database.manager import DatabaseManager

PATIENCE_SECONDS = 30
BLOCKED = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def wait_until_blocked(database: DatabaseManager, sessions: int = 1) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with database.transaction() as cursor:
            row = cursor.execute(BLOCKED).fetchone()
        if row and row[0] >= sessions:
            return
        time.sleep(0.01)
    raise AssertionError(f"fewer than {sessions} session(s) waited for a lock")


def wait_until_blocked_by(database: DatabaseManager, pid: int) -> None:
    """Returns as soon as a session waits for a lock of the session with this process id."""
    query = b"SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with database.transaction() as cursor:
            if cursor.execute(query, (pid,)).fetchone() != (0,):
                return
        time.sleep(0.01)
    raise AssertionError(f"no session waited for a lock of session {pid}")


@contextmanager
def uncommitted(database: DatabaseManager, statement: str) -> Iterator[None]:
    """Executes the statement over another connection, and rolls it back at the end of the block."""
    url = database.settings.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())
        yield
        connection.rollback()


def behind_a_gate(statement: bytes, first_read: bytes) -> bytes:
    """Returns a changed statement. When it is executed, it first takes its snapshot, then waits for the advisory lock
    8, and then locks rows. `first_read`: the text of the statement's first read, with its WHERE."""
    for before, after in [
        (b"WITH ", b"WITH gate AS MATERIALIZED (SELECT pg_advisory_xact_lock(8)), "),
        (first_read, first_read.replace(b"WHERE ", b"WHERE EXISTS (SELECT FROM gate) AND ")),
    ]:
        assert before in statement
        statement = statement.replace(before, after, 1)
    return statement

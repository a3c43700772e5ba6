"""Forcing a race: hold a lock, wait until the rival waits for it, let go."""

import time

from queue_store.database_manager import DatabaseManager

PATIENCE_SECONDS = 10
BLOCKED = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def wait_until_blocked(database: DatabaseManager, sessions: int = 1) -> None:
    """Return once that many sessions of this database wait for a lock."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with database.transaction() as cursor:
            row = cursor.execute(BLOCKED).fetchone()
        if row and row[0] >= sessions:
            return
        time.sleep(0.01)
    raise AssertionError(f"no {sessions} session(s) came to wait for a lock")

"""Rows as they come back from a backup: no INSERT of anybody else may make a claimed record."""

from typing import Any

from psycopg import Cursor

# For the WHERE of an INSERT … SELECT: for the rest of its transaction.
RESTORED = "set_config('processing_queue.restoring', 'on', true) = 'on'"


def restore_rows(cursor: Cursor[Any]) -> None:
    """Until the end of the transaction."""
    cursor.execute(f"SELECT {RESTORED}".encode())

"""Inserts rows as a restore does. Only a restore may insert records that are already claimed or finished."""

from typing import Any

from psycopg import Cursor

# For the WHERE of an INSERT … SELECT. Allows claimed and finished records for the rest of the transaction.
RESTORED = "set_config('processing_queue.restoring', 'on', true) = 'on'"


def restore_rows(cursor: Cursor[Any]) -> None:
    """Allows claimed and finished records until the end of the transaction."""
    cursor.execute(f"SELECT {RESTORED}".encode())

"""Inserts rows as a restore does. Only a restore may insert processing records, or pending records with traces of an
earlier claim."""

from typing import Any

from psycopg import Cursor

# A condition for the WHERE of an INSERT … SELECT. It lets the current transaction insert the records that only a
# restore may insert.
RESTORED = "set_config('processing_queue.restoring', 'on', true) = 'on'"


def restore_rows(cursor: Cursor[Any]) -> None:
    """Lets the current transaction insert the records that only a restore may insert."""
    cursor.execute(f"SELECT {RESTORED}".encode())

"""Inserts rows as a restore does. Only a restore may insert processing records, or pending records with traces of an
earlier claim."""

from typing import Any

from psycopg import Cursor

# A condition for the WHERE of an INSERT … SELECT. It allows the records that only a restore may insert, until the end
# of the transaction.
RESTORED = "set_config('processing_queue.restoring', 'on', true) = 'on'"


def restore_rows(cursor: Cursor[Any]) -> None:
    """Until the end of the transaction, allows the records that only a restore may insert."""
    cursor.execute(f"SELECT {RESTORED}".encode())

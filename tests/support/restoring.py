"""Inserts rows as a restore does. Only a restore may insert processing records, or pending records with traces of an
earlier claim."""

from typing import Any

from psycopg import Cursor

# Lets the current transaction insert the records that only a restore may insert. The expression also works in the WHERE
# of an INSERT … SELECT.
RESTORED = "set_config('processing_queue.restoring', 'on', true) = 'on'"


def restore_rows(cursor: Cursor[Any]) -> None:
    cursor.execute(f"SELECT {RESTORED}".encode())

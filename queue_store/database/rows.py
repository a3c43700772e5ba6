"""Rows as dataclasses. Each value goes into the field that has the name of its column, so the order of the columns does
not matter."""

from dataclasses import fields
from operator import itemgetter
from typing import Any, TypeVar

from psycopg import Cursor

T = TypeVar("T")


def rows_as(cursor: Cursor[Any], kind: type[T]) -> list[T]:
    """The rows of the statement that `cursor` ran. Columns without a field are left out. Raises LookupError unless each
    field has exactly one column."""
    values = itemgetter(*_positions(cursor, kind))
    return [kind(*values(row)) for row in cursor.fetchall()]


def row_as(cursor: Cursor[Any], kind: type[T]) -> T | None:
    """The first row, or None if there is none. Raises LookupError like `rows_as`."""
    row = cursor.fetchone()
    return None if row is None else kind(*itemgetter(*_positions(cursor, kind))(row))


def the_row_as(cursor: Cursor[Any], kind: type[T]) -> T:
    """The first row of a statement that always returns a row. Raises LookupError like `rows_as`, and also if there
    is no row."""
    row = row_as(cursor, kind)
    if row is None:
        raise LookupError(f"no row for {kind.__name__}")
    return row


def _positions(cursor: Cursor[Any], kind: type[Any]) -> list[int]:
    """`kind` must have at least two fields, because `itemgetter` returns no tuple for a single position."""
    names = [column.name for column in cursor.description or ()]
    wanted = [field.name for field in fields(kind)]
    if missing := [name for name in wanted if names.count(name) != 1]:
        raise LookupError(
            f"{kind.__name__} needs exactly one column with each of these names: {', '.join(missing)}; the columns are "
            f"{names}"
        )
    return [names.index(name) for name in wanted]

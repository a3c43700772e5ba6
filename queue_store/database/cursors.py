"""Cursors for statements of ours: whatever a handler or a pool made of the connection, rows are tuples.

`connection.cursor()` takes the connection's factories, its row factory and its adapters, all of which belong to
whoever uses the connection.
"""

from typing import Any

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.pq import Format
from psycopg.rows import tuple_row

Row = tuple[Any, ...]


class OwnCursor(psycopg.Cursor[Row]):
    """A cursor with psycopg's own adapters."""

    def __init__(self, connection: "psycopg.Connection[Any]", *, binary: bool = False) -> None:
        super().__init__(connection, row_factory=tuple_row)
        self._adapters = AdaptersMap(psycopg.adapters)
        self.format = Format.BINARY if binary else Format.TEXT


class OwnAsyncCursor(psycopg.AsyncCursor[Row]):
    """The same over an asynchronous connection."""

    def __init__(self, connection: "psycopg.AsyncConnection[Any]", *, binary: bool = False) -> None:
        super().__init__(connection, row_factory=tuple_row)
        self._adapters = AdaptersMap(psycopg.adapters)
        self.format = Format.BINARY if binary else Format.TEXT

"""Cursors for statements of ours: whatever a handler or a pool made of the connection, rows are tuples.

`connection.cursor()` takes the connection's factories, its row factory and its adapters, all of which belong to the
user of the connection.
"""

from functools import cache
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Loader
from psycopg.pq import Format
from psycopg.rows import tuple_row

from queue_store.database import arrays
from queue_store.database.any_json import read_json

Row = tuple[Any, ...]


class _JsonLoader(Loader):
    def load(self, data: Buffer) -> Any:
        return read_json(bytes(data))


class _BinaryJsonbLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> Any:
        return read_json(bytes(data)[1:])  # one byte of format version comes first


@cache
def _own_adapters() -> AdaptersMap:
    """Psycopg's own, with our arrays, and a loader of documents that does not fail."""
    adapters = AdaptersMap(psycopg.adapters)
    arrays.register_dumpers(adapters)
    adapters.register_loader("jsonb", _JsonLoader)
    adapters.register_loader("jsonb", _BinaryJsonbLoader)
    return adapters


class OwnCursor(psycopg.Cursor[Row]):
    """A cursor with adapters of our own."""

    def __init__(self, connection: "psycopg.Connection[Any]", *, binary: bool = False) -> None:
        super().__init__(connection, row_factory=tuple_row)
        self._adapters = AdaptersMap(_own_adapters())
        self.format = Format.BINARY if binary else Format.TEXT


class OwnAsyncCursor(psycopg.AsyncCursor[Row]):
    """The same over an asynchronous connection."""

    def __init__(self, connection: "psycopg.AsyncConnection[Any]", *, binary: bool = False) -> None:
        super().__init__(connection, row_factory=tuple_row)
        self._adapters = AdaptersMap(_own_adapters())
        self.format = Format.BINARY if binary else Format.TEXT

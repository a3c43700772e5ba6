"""Cursors for our own statements. Rows are tuples, even if a handler or a pool has changed the connection.

Our statements do not use `connection.cursor()`, because its cursor factory, row factory and adapters belong to the
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
        return read_json(bytes(data)[1:])  # the first byte is the version of the format


@cache
def _own_adapters() -> AdaptersMap:
    """Psycopg's own adapters, our adapters for arrays, and JSON loaders that accept every document."""
    adapters = AdaptersMap(psycopg.adapters)
    arrays.register_dumpers(adapters)
    adapters.register_loader("jsonb", _JsonLoader)
    adapters.register_loader("jsonb", _BinaryJsonbLoader)
    return adapters


class OwnCursor(psycopg.Cursor[Row]):
    """A cursor with our own adapters."""

    def __init__(self, connection: "psycopg.Connection[Any]", *, binary: bool = False) -> None:
        super().__init__(connection, row_factory=tuple_row)
        self._adapters = AdaptersMap(_own_adapters())
        self.format = Format.BINARY if binary else Format.TEXT


class OwnAsyncCursor(psycopg.AsyncCursor[Row]):
    """Like `OwnCursor`, for an asynchronous connection."""

    def __init__(self, connection: "psycopg.AsyncConnection[Any]", *, binary: bool = False) -> None:
        super().__init__(connection, row_factory=tuple_row)
        self._adapters = AdaptersMap(_own_adapters())
        self.format = Format.BINARY if binary else Format.TEXT

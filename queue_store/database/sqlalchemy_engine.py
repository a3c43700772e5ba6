"""A SQLAlchemy engine that takes its connections from our own pool. It is for applications, and for handlers that are
given a connection or a session. This module imports SQLAlchemy, so other modules import it only when they need it."""

import threading
from typing import Any

from sqlalchemy import Engine, Pool, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import ConnectionPoolEntry

from queue_store.database.connection_pool import ConnectionPool, Driver
from queue_store.database_url import DatabaseUrl


def engine_over(connections: ConnectionPool, url: DatabaseUrl) -> Engine:
    """The engine borrows all its connections from `connections`."""
    return create_engine(make_url(url.render_as_string(hide_password=False)), pool=BorrowingPool(connections))


class BorrowingPool(Pool):
    """SQLAlchemy borrows its connections from our own pool and gives them back to it. SQLAlchemy initialises each
    connection only once, even if other code uses the connection between two loans to SQLAlchemy."""

    def __init__(self, connections: ConnectionPool, **options: Any) -> None:
        super().__init__(self._hand_over, **options)
        self._connections = connections
        self._entries: dict[Driver, ConnectionPoolEntry] = {}
        self._local = threading.local()
        connections.on_close = lambda driver: self._entries.pop(driver, None)

    def status(self) -> str:
        return f"{self._connections.in_use} connections in use"

    def dispose(self) -> None:
        self._entries.clear()

    def recreate(self) -> "BorrowingPool":
        return BorrowingPool(self._connections, _dispatch=self.dispatch, dialect=self._dialect)

    def _do_get(self) -> ConnectionPoolEntry:
        driver = self._connections.take()
        entry = self._entries.get(driver)
        if entry is not None:
            return entry
        self._local.driver = driver
        try:
            return self._create_connection()
        except BaseException:
            self._connections.give_back(driver)
            raise

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        for driver in [driver for driver in list(self._entries) if driver.closed]:
            self._entries.pop(driver, None)
        driver: Any = record.dbapi_connection
        if driver is None:  # SQLAlchemy has closed the connection, or its user has detached it
            self._connections.notice_closed()
            return
        self._entries[driver] = record
        self._connections.give_back(driver)

    def _hand_over(self) -> Any:
        """The connection for a new entry of SQLAlchemy's pool, or for an entry whose connection was invalidated."""
        driver, self._local.driver = getattr(self._local, "driver", None), None
        return driver or self._connections.take()

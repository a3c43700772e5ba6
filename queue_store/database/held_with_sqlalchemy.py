"""A `HeldConnection` that handlers and applications use through SQLAlchemy. This module is imported only where
SQLAlchemy is used."""

from typing import cast

import sqlalchemy.exc
from sqlalchemy import Connection, Engine

from queue_store.database.connection_pool import ConnectionPool, Driver, PoolExhaustedError
from queue_store.database.driver_errors import unavailable
from queue_store.database.held_connection import HeldConnection, Transaction
from queue_store.database_url import Address


class HeldWithSqlalchemy(HeldConnection):
    """A connection on which SQLAlchemy begins and ends the transactions, so that a SQLAlchemy session can join them."""

    def __init__(self, engine: Engine, pool: ConnectionPool, url: Address) -> None:
        """Raises SQLAlchemy's OperationalError and PoolExhaustedError."""
        self._pool = pool
        self._url = url
        self._connection = engine.connect()

    @property
    def sqlalchemy(self) -> Connection:
        return self._connection

    @property
    def driver(self) -> Driver:
        return cast(Driver, self._connection.connection.driver_connection)

    @property
    def is_invalidated(self) -> bool:
        return self._connection.invalidated

    def invalidate(self) -> None:
        self._connection.invalidate()

    def close(self) -> None:
        self._connection.close()

    def _begin(self) -> Transaction:
        try:
            return self._connection.begin()  # connects again after `invalidate`
        except (sqlalchemy.exc.OperationalError, PoolExhaustedError) as error:
            raise unavailable(self._url, error) from error

    def _roll_back(self, transaction: Transaction) -> None:
        try:
            transaction.rollback()
        except Exception:
            self.invalidate()
            raise

"""One asynchronous connection, kept for many transactions: for handlers that want their transaction asynchronous."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import psycopg
import sqlalchemy.exc
from psycopg import errors as pg
from sqlalchemy.ext.asyncio import AsyncConnection

from queue_store.database.driver_errors import unavailable
from queue_store.errors import ConflictError


class AsyncHeldConnection:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    @property
    def sqlalchemy(self) -> AsyncConnection:
        return self._connection

    async def driver(self) -> "psycopg.AsyncConnection[Any]":
        driver = (await self._connection.get_raw_connection()).driver_connection
        assert isinstance(driver, psycopg.AsyncConnection)
        return cast("psycopg.AsyncConnection[Any]", driver)

    async def close(self) -> None:
        with suppress(Exception):
            await self._connection.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator["psycopg.AsyncCursor[Any]"]:
        """A cursor in a transaction that nobody else can commit or roll back: COMMIT at the end, ROLLBACK on an error.

        Raises ConflictError (call again) or DatabaseUnavailableError, after which nobody knows whether it happened.
        """
        try:
            driver = await self.driver()
            async with self._connection.begin(), driver.transaction(), driver.cursor(binary=True) as cursor:
                yield cursor
        except (psycopg.Error, sqlalchemy.exc.DBAPIError) as error:
            cause = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error
            if isinstance(cause, pg.DeadlockDetected | pg.SerializationFailure):
                raise ConflictError(f"{type(cause).__name__}: nothing was written, call again") from error
            if isinstance(cause, psycopg.OperationalError):
                raise unavailable(self._connection.engine.url, cause) from error
            raise

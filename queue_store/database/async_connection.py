"""One asynchronous connection, kept for many transactions. It serves handlers that ask for an asynchronous
transaction."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import psycopg

from queue_store.database.cursors import OwnAsyncCursor
from queue_store.database.driver_errors import (
    database_errors,
    errors_without_a_connection,
    translated,
    unavailable,
)
from queue_store.database.read_only import refused_writes_in_async

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncTransaction


class AsyncHeldConnection:
    def __init__(self, connection: "AsyncConnection") -> None:
        self._connection = connection

    @classmethod
    async def open(cls, engine: "AsyncEngine") -> "AsyncHeldConnection":
        """Raises DatabaseUnavailableError."""
        try:
            return cls(await engine.connect())
        except errors_without_a_connection() as error:
            raise unavailable(engine.url, error) from error

    @property
    def sqlalchemy(self) -> "AsyncConnection":
        return self._connection

    async def driver(self) -> "psycopg.AsyncConnection[Any]":
        driver = (await self._connection.get_raw_connection()).driver_connection
        assert isinstance(driver, psycopg.AsyncConnection)
        return cast("psycopg.AsyncConnection[Any]", driver)

    async def invalidate(self) -> None:
        """Close the session for good instead of giving it back to the pool."""
        with suppress(Exception):
            await self._connection.invalidate()

    async def close(self) -> None:
        with suppress(Exception):
            await self._connection.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator["psycopg.AsyncCursor[Any]"]:
        """A cursor in a transaction that nobody else can commit or roll back. The transaction commits at the end,
        and rolls back on an error.

        Raises ConflictError (try again) or DatabaseUnavailableError. After a DatabaseUnavailableError it is unknown
        whether the transaction was committed.
        """
        outer = await self._begin()
        try:
            driver = await self.driver()
            async with driver.transaction(), OwnAsyncCursor(driver, binary=True) as cursor:
                yield cursor
            await outer.commit()
        except BaseException as error:
            try:
                await outer.rollback()
            except Exception:  # noqa: BLE001  (the connection is lost: `error` says why)
                await self.invalidate()
            url = self._connection.engine.url
            meaning = translated(error, url)
            if meaning is None and (meaning := await refused_writes_in_async(error, self.driver, url)):
                await self.invalidate()
            if meaning is None:
                raise
            raise meaning from error

    async def _begin(self) -> "AsyncTransaction":
        try:
            return await self._connection.begin()
        except database_errors() as error:
            raise unavailable(self._connection.engine.url, error) from error

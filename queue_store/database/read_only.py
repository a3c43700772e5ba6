"""Finds out whether a READ_ONLY error means that the server takes no writes, because it is a standby or was set
read-only.

A handler that made its own transaction or session read-only also gets READ_ONLY, although the server takes writes.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import psycopg

from queue_store.database.cursors import OwnAsyncCursor, OwnCursor
from queue_store.database.driver_errors import READ_ONLY, server_takes_no_writes, sqlstate_of
from queue_store.database.sqlalchemy_kinds import known_kinds
from queue_store.database.statements import sql
from queue_store.database_url import Address
from queue_store.errors import DatabaseUnavailableError, ReadOnlyServerError

QUESTION = "readings/takes_no_writes"


def refused_writes(
    error: BaseException, driver: Callable[[], "psycopg.Connection[Any]"], url: Address
) -> ReadOnlyServerError | None:
    """The error to raise if the server takes no writes. Returns None if `error` is not READ_ONLY, if the server takes
    writes, or if the session cannot answer. Call this after the ROLLBACK, because in a failed transaction the server
    refuses the query of this function."""
    if sqlstate_of(error) != READ_ONLY:
        return None
    with suppress(*_closed()), OwnCursor(driver()) as cursor:
        row = cursor.execute(sql(QUESTION)).fetchone()
        cursor.connection.rollback()
        return server_takes_no_writes(url) if row == (True,) else None
    return None


async def refused_writes_in_async(
    error: BaseException, driver: Callable[[], Awaitable["psycopg.AsyncConnection[Any]"]], url: Address
) -> ReadOnlyServerError | None:
    """Like `refused_writes`, over an asynchronous connection."""
    if sqlstate_of(error) != READ_ONLY:
        return None
    with suppress(*_closed()):
        async with OwnAsyncCursor(await driver()) as cursor:
            row = await (await cursor.execute(sql(QUESTION))).fetchone()
            await cursor.connection.rollback()
        return server_takes_no_writes(url) if row == (True,) else None
    return None


def _closed() -> tuple[type[BaseException], ...]:
    """The errors that mean that the connection cannot say whether the server takes writes."""
    return (psycopg.Error, DatabaseUnavailableError, *known_kinds("sqlalchemy.exc", "SQLAlchemyError"))

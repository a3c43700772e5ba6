"""The caller's session uses UTF-8 while our statements run, whatever its own encoding is. So every text can be
sent."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from psycopg import AsyncConnection, Connection
from psycopg.pq import TransactionStatus

from queue_store.database.cursors import OwnAsyncCursor, OwnCursor
from queue_store.database.statements import sql

UTF8 = "UTF8"
SET_ENCODING = "enqueueing/set_client_encoding"


@contextmanager
def in_utf8(driver: Connection[Any]) -> Generator[None]:
    encoding = _encoding(driver)
    if encoding == UTF8:
        yield
        return
    _set(driver, UTF8)
    try:
        yield
    finally:
        if _can_go_on(driver):
            _set(driver, encoding)


@asynccontextmanager
async def async_in_utf8(driver: AsyncConnection[Any]) -> AsyncGenerator[None]:
    encoding = _encoding(driver)
    if encoding == UTF8:
        yield
        return
    await _async_set(driver, UTF8)
    try:
        yield
    finally:
        if _can_go_on(driver):
            await _async_set(driver, encoding)


def _encoding(driver: Connection[Any] | AsyncConnection[Any]) -> str:
    return driver.info.parameter_status("client_encoding") or UTF8


def _can_go_on(driver: Connection[Any] | AsyncConnection[Any]) -> bool:
    """Returns False if the connection is closed or its transaction has failed. The ROLLBACK of a failed transaction
    restores the encoding."""
    return driver.info.transaction_status in (TransactionStatus.IDLE, TransactionStatus.INTRANS)


def _set(driver: Connection[Any], encoding: str) -> None:
    with OwnCursor(driver) as cursor:
        cursor.execute(sql(SET_ENCODING), {"encoding": encoding})


async def _async_set(driver: AsyncConnection[Any], encoding: str) -> None:
    async with OwnAsyncCursor(driver) as cursor:
        await cursor.execute(sql(SET_ENCODING), {"encoding": encoding})

"""If the reply to a statement that commits is lost, the producer hears that the record may exist. If the connection
breaks before the COMMIT, the producer hears that nothing was written."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from queue_store import (
    CommitUnknownError,
    DatabaseManager,
    DatabaseUnavailableError,
    aenqueue,
    aenqueue_many,
    enqueue,
    enqueue_many,
)
from tests.support.flow_rows import register_flow
from tests.support.server_proxy import MARK, LostReply

NEVER = b"no request contains this"
UNKNOWN = "unknown whether the record was written"


@pytest.fixture
def proxy(database: DatabaseManager) -> Iterator[LostReply]:
    register_flow(database, "send_invoice")
    proxy = LostReply(database)
    yield proxy
    proxy.close()


def one(connection: Any) -> object:
    return enqueue(connection, "send_invoice", {MARK: 1})


def many(connection: Any) -> object:
    return enqueue_many(connection, "send_invoice", [{MARK: 1}])


async def aone(connection: Any) -> object:
    return await aenqueue(connection, "send_invoice", {MARK: 1})


async def amany(connection: Any) -> object:
    return await aenqueue_many(connection, "send_invoice", [{MARK: 1}])


def by_driver(url: str, write: Callable[[Any], object], *, autocommit: bool = True) -> None:
    with psycopg.connect(url, autocommit=autocommit) as connection:
        write(connection)


def by_sqlalchemy(url: str, write: Callable[[Any], object]) -> None:
    engine = create_engine(url.replace("postgresql", "postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            write(connection)
    finally:
        engine.dispose()


def by_async_driver(url: str, write: Callable[[Any], Any]) -> None:
    async def work() -> None:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await write(connection)

    asyncio.run(work())


def by_async_sqlalchemy(url: str, write: Callable[[Any], Any]) -> None:
    async def work() -> None:
        engine = create_async_engine(
            url.replace("postgresql", "postgresql+psycopg"), isolation_level="AUTOCOMMIT"
        )
        try:
            async with engine.connect() as connection:
                await write(connection)
        finally:
            await engine.dispose()

    asyncio.run(work())


CONNECTIONS = [
    pytest.param(by_driver, one, many, id="psycopg"),
    pytest.param(by_sqlalchemy, one, many, id="sqlalchemy"),
    pytest.param(by_async_driver, aone, amany, id="psycopg-async"),
    pytest.param(by_async_sqlalchemy, aone, amany, id="sqlalchemy-async"),
]


def count(database: DatabaseManager) -> int:
    with database.transaction() as cursor:
        row = cursor.execute("SELECT count(*) FROM processing_queue").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(("connect", "enqueue_one", "_"), CONNECTIONS)
def test_in_autocommit_mode_the_record_may_exist(
    database: DatabaseManager, proxy: LostReply, connect: Any, enqueue_one: Any, _: Any
) -> None:
    with pytest.raises(CommitUnknownError, match=UNKNOWN):
        connect(proxy.url, enqueue_one)
    assert count(database) == 1


@pytest.mark.parametrize(("connect", "_", "write_many"), CONNECTIONS)
def test_in_autocommit_mode_records_in_bulk_may_exist_if_the_reply_to_their_commit_is_lost(
    database: DatabaseManager, proxy: LostReply, connect: Any, _: Any, write_many: Any
) -> None:
    def write(connection: Any) -> Any:
        proxy.mark = b"COMMIT\0"  # only now, because libraries commit when they connect
        return write_many(connection)

    with pytest.raises(CommitUnknownError, match=UNKNOWN):
        connect(proxy.url, write)
    assert count(database) == 1


@pytest.mark.parametrize("mark", ["BEGIN", MARK])
@pytest.mark.parametrize(("connect", "_", "write_many"), CONNECTIONS)
def test_in_autocommit_mode_records_in_bulk_do_not_exist_before_their_commit(
    database: DatabaseManager, proxy: LostReply, connect: Any, _: Any, write_many: Any, mark: str
) -> None:
    def write(connection: Any) -> Any:
        proxy.mark = mark.encode()
        return write_many(connection)

    proxy.mark = NEVER
    with pytest.raises(DatabaseUnavailableError, match="before COMMIT") as raised:
        connect(proxy.url, write)
    assert not isinstance(raised.value, CommitUnknownError)
    assert count(database) == 0


def test_in_the_callers_transaction_nothing_exists_before_the_callers_commit(
    database: DatabaseManager, proxy: LostReply
) -> None:
    with pytest.raises(DatabaseUnavailableError, match="before COMMIT") as raised:
        by_driver(proxy.url, one, autocommit=False)
    assert not isinstance(raised.value, CommitUnknownError)
    assert count(database) == 0


def test_in_a_transaction_that_was_begun_in_autocommit_mode_nothing_exists_before_its_commit(
    database: DatabaseManager, proxy: LostReply
) -> None:
    def write(connection: psycopg.Connection[Any]) -> None:
        with connection.transaction():
            one(connection)

    with pytest.raises(DatabaseUnavailableError, match="before COMMIT") as raised:
        by_driver(proxy.url, write)
    assert not isinstance(raised.value, CommitUnknownError)
    assert count(database) == 0

"""If no server session becomes free in time, PgBouncer ends the producer's session. Then the producer gets
DatabaseUnavailableError, and nothing is written."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from queue_store import (
    DatabaseManager,
    DatabaseUnavailableError,
    aenqueue,
    aenqueue_many,
    enqueue,
    enqueue_many,
)
from tests.pgbouncer.conftest import Pooled
from tests.support.flow_rows import register_flow
from tests.support.pgbouncer import running_pgbouncer
from tests.support.servers import PostgresServer, connect, reachable_directory

MESSAGE = "the connection broke before COMMIT: query_wait_timeout"
FLOW = "send_invoice"


@pytest.fixture
def manager(postgres_server: PostgresServer, pooled: Pooled) -> Iterator[DatabaseManager]:
    """A pool with a single session, which another client holds in a transaction."""
    with ExitStack() as stack:
        directory = stack.enter_context(reachable_directory())
        bouncer = stack.enter_context(
            running_pgbouncer(directory, postgres_server.url, default_pool_size="1")
        )
        url = bouncer.url(pooled.direct_url.rpartition("/")[2].partition("?")[0])
        manager = connect(url, pgbouncer=True)
        stack.callback(manager.dispose)
        register_flow(manager, FLOW)
        other = stack.enter_context(psycopg.connect(url, prepare_threshold=None))
        other.execute("SELECT 1")
        bouncer.command(
            "SET query_wait_timeout = 1"
        )  # set after the first query, because PgBouncer's own login may take longer than a second
        yield manager
        other.rollback()
        with manager.transaction() as cursor:
            assert cursor.execute("SELECT count(*) FROM processing_queue").fetchall() == [(0,)]


def url_of(manager: DatabaseManager, driver: str = "postgresql") -> str:
    return make_url(str(manager.settings.url)).set(drivername=driver).render_as_string(hide_password=False)


def one(connection: Any) -> object:
    return enqueue(connection, FLOW, {"order_id": 1})


def many(connection: Any) -> object:
    return enqueue_many(connection, FLOW, [{"order_id": 1}])


async def aone(connection: Any) -> object:
    return await aenqueue(connection, FLOW, {"order_id": 1})


async def amany(connection: Any) -> object:
    return await aenqueue_many(connection, FLOW, [{"order_id": 1}])


@pytest.mark.parametrize("write", [one, many])
def test_with_the_driver(manager: DatabaseManager, write: Callable[[Any], object]) -> None:
    with (
        psycopg.connect(url_of(manager), prepare_threshold=None) as connection,
        pytest.raises(DatabaseUnavailableError, match=MESSAGE),
    ):
        write(connection)


def test_with_sqlalchemy(manager: DatabaseManager) -> None:
    with Session(manager.engine) as session, pytest.raises(DatabaseUnavailableError, match=MESSAGE):
        one(session)


@pytest.mark.parametrize("write", [aone, amany])
def test_asynchronously_with_the_driver(manager: DatabaseManager, write: Callable[[Any], Any]) -> None:
    async def work() -> None:
        async with await psycopg.AsyncConnection.connect(
            url_of(manager), prepare_threshold=None
        ) as connection:
            with pytest.raises(DatabaseUnavailableError, match=MESSAGE):
                await write(connection)

    asyncio.run(work())


def test_asynchronously_with_sqlalchemy(manager: DatabaseManager) -> None:
    async def work() -> None:
        engine = create_async_engine(url_of(manager, "postgresql+psycopg"))
        async with AsyncSession(engine) as session:
            with pytest.raises(DatabaseUnavailableError, match=MESSAGE):
                await aone(session)
        await engine.dispose()

    asyncio.run(work())

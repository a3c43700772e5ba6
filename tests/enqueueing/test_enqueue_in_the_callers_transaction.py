"""With every kind of connection, a record exists if and only if the caller's own transaction commits."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import Connection, create_engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from queue_store import (
    DatabaseManager,
    DistributedProcessor,
    DuplicateRecordError,
    QueueStoreError,
    aenqueue,
    aenqueue_many,
    enqueue,
    enqueue_many,
)
from tests.support.flow_rows import register_flow

Write = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def _flow(database: DatabaseManager) -> None:
    register_flow(database, "send_invoice")


def record_count(database: DatabaseManager) -> int:
    with database.transaction() as cursor:
        row = cursor.execute("SELECT count(*) FROM processing_queue").fetchone()
    assert row
    return row[0]


def open_connection(kind: str, database: DatabaseManager) -> Any:
    if kind == "session":
        return Session(database.engine)
    if kind == "scoped session":
        return scoped_session(sessionmaker(database.engine))
    if kind == "connection":
        return database.engine.connect()
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    # The caller may choose any row factory.
    return psycopg.connect(url, row_factory=dict_row)  # type: ignore[arg-type]


KINDS = ("session", "scoped session", "connection", "psycopg")
WRITES: dict[str, Write] = {
    "one": lambda connection: enqueue(connection, "send_invoice", {"order_id": 1}),
    "many": lambda connection: enqueue_many(connection, "send_invoice", [{"order_id": 1}]),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))
@pytest.mark.parametrize("kind", KINDS)
def test_a_record_exists_once_the_caller_commits(database: DatabaseManager, kind: str, write: Write) -> None:
    connection = open_connection(kind, database)
    write(connection)
    assert record_count(database) == 0
    connection.commit()
    assert record_count(database) == 1
    connection.close()


@pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))
@pytest.mark.parametrize("kind", KINDS)
def test_a_record_goes_with_the_callers_rollback(database: DatabaseManager, kind: str, write: Write) -> None:
    connection = open_connection(kind, database)
    write(connection)
    connection.rollback()
    connection.commit()
    assert record_count(database) == 0
    connection.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_duplicate_leaves_the_transaction_usable(database: DatabaseManager, kind: str) -> None:
    connection = open_connection(kind, database)
    enqueue(connection, "send_invoice", {}, dedup_key="a")
    with pytest.raises(DuplicateRecordError):
        enqueue(connection, "send_invoice", {}, dedup_key="a")
    with pytest.raises(DuplicateRecordError):
        enqueue_many(connection, "send_invoice", [{}], dedup_key="a")
    connection.commit()
    assert record_count(database) == 1
    connection.close()


def test_a_savepoint_of_the_caller_takes_its_records_back(database: DatabaseManager) -> None:
    with Session(database.engine) as session:
        enqueue(session, "send_invoice", {})
        with session.begin_nested() as savepoint:
            enqueue(session, "send_invoice", {})
            savepoint.rollback()
        session.commit()
    assert record_count(database) == 1


def test_a_failing_bulk_takes_back_all_of_itself_and_nothing_else(database: DatabaseManager) -> None:
    def rows() -> Iterator[object]:
        yield from ({"n": n} for n in range(25_000))
        raise RuntimeError("the source broke")

    with Session(database.engine) as session:
        enqueue(session, "send_invoice", {})
        with pytest.raises(RuntimeError, match="the source broke"):
            enqueue_many(session, "send_invoice", rows())
        session.commit()
    assert record_count(database) == 1


def test_a_bulk_on_an_autocommit_connection_is_all_or_nothing(database: DatabaseManager) -> None:
    connection = open_connection("psycopg", database)
    connection.autocommit = True
    enqueue_many(connection, "send_invoice", [{}, {}])
    assert record_count(database) == 2
    with pytest.raises(QueueStoreError):
        enqueue_many(connection, "send_invoice", [{}, {"bad": float("nan")}])
    assert record_count(database) == 2
    connection.close()


def test_a_bulk_may_read_its_rows_from_the_same_connection(database: DatabaseManager) -> None:
    connection = open_connection("psycopg", database)
    with connection.cursor("numbers") as numbers:
        numbers.execute("SELECT g AS n FROM generate_series(1, 30000) g")
        assert enqueue_many(connection, "send_invoice", numbers).inserted_count == 30_000
    connection.commit()
    assert record_count(database) == 30_000
    connection.close()


def test_the_asynchronous_connections_do_the_same(database: DatabaseManager) -> None:
    url = database.engine.url

    async def work() -> None:
        engine = create_async_engine(url)
        async with AsyncSession(engine) as session:
            await aenqueue(session, "send_invoice", {})
            await aenqueue_many(session, "send_invoice", [{}, {}])
            await session.commit()
            await aenqueue(session, "send_invoice", {})
            await session.rollback()
        async with engine.connect() as connection:
            await aenqueue_many(connection, "send_invoice", [{}])
            await connection.commit()
            await aenqueue(connection, "send_invoice", {})
        await engine.dispose()
        plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        async with await psycopg.AsyncConnection.connect(plain) as driver:
            await aenqueue(driver, "send_invoice", {})
            await aenqueue_many(driver, "send_invoice", [{}])

    asyncio.run(work())
    assert record_count(database) == 6


@pytest.mark.parametrize("wrong", [None, "postgresql://localhost", create_engine("sqlite://")])
def test_other_objects_are_refused_with_what_to_pass(wrong: Any) -> None:
    with pytest.raises(QueueStoreError, match="pass a SQLAlchemy session or connection"):
        enqueue(wrong, "send_invoice", {})


def test_another_driver_is_refused_with_what_to_pass() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        assert isinstance(connection, Connection)
        with pytest.raises(QueueStoreError, match="sqlite3"):
            enqueue(connection, "send_invoice", {})
    engine.dispose()


def test_an_asynchronous_connection_given_to_the_synchronous_function_is_refused(
    database: DatabaseManager,
) -> None:
    async def work() -> None:
        engine = create_async_engine(database.engine.url)
        async with engine.connect() as connection:
            assert isinstance(connection, AsyncConnection)
            with pytest.raises(QueueStoreError, match="an asynchronous function"):
                enqueue(connection, "send_invoice", {})  # type: ignore[arg-type]
        await engine.dispose()

    asyncio.run(work())


def test_a_copy_that_is_interrupted_while_it_begins_takes_everything_back(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ctrl-C comes when the server has already begun the COPY. The driver leaves the COPY open."""
    begin = psycopg.Cursor._start_copy_gen

    def interrupted(*arguments: Any) -> Any:
        yield from begin(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(psycopg.Cursor, "_start_copy_gen", interrupted)
    processor = DistributedProcessor(database)
    with pytest.raises(KeyboardInterrupt):
        processor.enqueue_many("send_invoice", [{"order_id": 1}])
    assert caplog.messages == []
    monkeypatch.undo()
    assert record_count(database) == 0
    processor.enqueue_many("send_invoice", [{"order_id": 1}])
    assert record_count(database) == 1

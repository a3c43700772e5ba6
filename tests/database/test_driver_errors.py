"""The same error from the server becomes the same exception on every kind of connection, because one translator maps
each SQLSTATE."""

import asyncio
import os
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from queue_store.database.async_connection import AsyncHeldConnection
from queue_store.database.manager import DatabaseManager
from queue_store.enqueueing.producer_errors import translated_errors
from queue_store.errors import (
    CommitUnknownError,
    ConflictError,
    DatabaseUnavailableError,
    DuplicateRecordError,
    IngestionStoppedError,
    PayloadRejectedError,
    QueueStoreError,
    SchemaVersionError,
)

OURS: dict[str, type[Exception]] = {
    "40001": ConflictError,
    "40P01": ConflictError,
    "55P03": ConflictError,
    "PQ001": IngestionStoppedError,
    "08006": DatabaseUnavailableError,
    "25P03": DatabaseUnavailableError,
    "25P04": DatabaseUnavailableError,
    "53100": DatabaseUnavailableError,
    "53300": DatabaseUnavailableError,
    "57014": DatabaseUnavailableError,
    "57P01": DatabaseUnavailableError,
    "25006": psycopg.Error,  # for servers that take no writes, see test_takes_no_writes.py
    "3B001": psycopg.Error,
    "55006": psycopg.Error,
    "22003": psycopg.Error,
    "23514": psycopg.Error,
    "42P01": psycopg.Error,
    "42501": psycopg.Error,
}
OF_PRODUCERS: dict[str, type[Exception]] = {
    "40001": ConflictError,
    "40P01": ConflictError,
    "55P03": ConflictError,
    "PQ001": IngestionStoppedError,
    "08006": DatabaseUnavailableError,
    "25P03": DatabaseUnavailableError,
    "25P04": DatabaseUnavailableError,
    "57P01": DatabaseUnavailableError,
    "57P04": DatabaseUnavailableError,
    "57P05": DatabaseUnavailableError,
    "08001": psycopg.Error,  # an error of one statement, for example of postgres_fdw: the session goes on
    "08P01": psycopg.Error,
    "53100": psycopg.Error,
    "57014": psycopg.Error,
    "22003": PayloadRejectedError,
    "22009": PayloadRejectedError,
    "23514": PayloadRejectedError,
    "42P01": SchemaVersionError,
    "42883": SchemaVersionError,
    "42501": QueueStoreError,
}
CONSTRAINTS: dict[str, type[Exception]] = {
    "processing_queue_running_key": ConflictError,
    "processing_queue_dedup": psycopg.Error,
    "another": psycopg.Error,
}
AT_COMMIT = (
    "CREATE TEMPORARY TABLE ends (id int) ON COMMIT DROP",
    "CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE SQLSTATE '{state}'; END$$",
    "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON ends DEFERRABLE INITIALLY DEFERRED "
    "FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse()",
    "INSERT INTO ends VALUES (1)",
)
Execute = Callable[[DatabaseManager, str], None]


def raising(state: str, constraint: str = "") -> str:
    using = f" USING CONSTRAINT = '{constraint}'" if constraint else ""
    return f"DO $$BEGIN RAISE SQLSTATE '{state}'{using}; END$$"


def execute(database: DatabaseManager, *statements: str) -> None:
    with database.transaction() as cursor:
        for statement in statements:
            cursor.execute(statement.encode())


def execute_async(database: DatabaseManager, *statements: str) -> None:
    async def run() -> None:
        held = await AsyncHeldConnection.open(database.async_engine)
        try:
            async with held.transaction() as cursor:
                for statement in statements:
                    await cursor.execute(statement.encode())
        finally:
            await held.close()
            await database.dispose_async()

    asyncio.run(run())


def enqueue(database: DatabaseManager, statement: str) -> None:
    with database.engine.connect() as connection, translated_errors():
        connection.exec_driver_sql(statement)


def enqueue_async(database: DatabaseManager, statement: str) -> None:
    async def run() -> None:
        try:
            async with database.async_engine.connect() as connection:
                with translated_errors():
                    await connection.exec_driver_sql(statement)
        finally:
            await database.dispose_async()

    asyncio.run(run())


def error_of(call: Callable[..., object], *arguments: Any) -> Exception:
    try:
        call(*arguments)
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize("door", [execute, execute_async])
@pytest.mark.parametrize("state", OURS)
def test_in_a_session_of_ours(database: DatabaseManager, door: Execute, state: str) -> None:
    error = error_of(door, database, raising(state))
    assert isinstance(error, OURS[state])
    assert isinstance(error, QueueStoreError) == (OURS[state] is not psycopg.Error)


@pytest.mark.parametrize("door", [execute, execute_async])
@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_a_unique_index_in_a_session_of_ours(
    database: DatabaseManager, door: Execute, constraint: str
) -> None:
    assert isinstance(error_of(door, database, raising("23505", constraint)), CONSTRAINTS[constraint])


@pytest.mark.parametrize("door", [enqueue, enqueue_async])
@pytest.mark.parametrize("state", OF_PRODUCERS)
def test_in_a_producers_transaction(database: DatabaseManager, door: Execute, state: str) -> None:
    error = error_of(door, database, raising(state))
    if OF_PRODUCERS[state] is psycopg.Error:
        assert not isinstance(error, QueueStoreError)
    else:
        assert type(error) is OF_PRODUCERS[state]


def test_a_protocol_violation_that_ends_a_producers_session(database: DatabaseManager) -> None:
    """The server does not know the message type `!`, so it ends the session."""
    with database.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        os.write(driver.fileno(), b"!")
        error = error_of(connection.exec_driver_sql, "SELECT 1")
        with pytest.raises(DatabaseUnavailableError, match="before COMMIT"), translated_errors():
            raise error
    assert isinstance(error.__cause__, psycopg.errors.ProtocolViolation)


@pytest.mark.parametrize("door", [enqueue, enqueue_async])
def test_a_duplicate_in_a_producers_transaction(database: DatabaseManager, door: Execute) -> None:
    error = error_of(door, database, raising("23505", "processing_queue_dedup"))
    assert isinstance(error, DuplicateRecordError)


@pytest.mark.parametrize("door", [execute, execute_async])
@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_conflict_that_the_commit_reports_is_a_conflict(
    database: DatabaseManager, door: Callable[..., None], state: str
) -> None:
    """The connection is not broken: the server has answered, and has rolled the transaction back."""
    error = error_of(door, database, *[statement.replace("{state}", state) for statement in AT_COMMIT])
    assert type(error) is ConflictError


def test_the_session_serves_on_after_a_conflict_at_commit(database: DatabaseManager) -> None:
    def conflict() -> None:
        with held.transaction() as cursor:
            for statement in AT_COMMIT:
                cursor.execute(statement.replace("{state}", "40001").encode())

    with database.hold() as held:
        before = held.driver.info.backend_pid
        assert type(error_of(conflict)) is ConflictError
        with held.transaction() as cursor:
            assert cursor.connection.info.backend_pid == before


def test_a_commit_whose_session_ended_right_after_it_is_unknown(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With PgBouncer, the answer to the COMMIT and the end of the session arrive together."""

    def commit(_: object) -> None:
        raise psycopg.InternalError("received 2 results from command 'COMMIT'")

    with database.hold() as held:
        with monkeypatch.context() as patched:
            patched.setattr(psycopg.Connection, "commit", commit)
            with pytest.raises(CommitUnknownError), held.transaction() as cursor:
                cursor.execute("SELECT 1")
        with held.transaction() as cursor:  # over another session
            assert cursor.execute("SELECT 1").fetchall() == [(1,)]

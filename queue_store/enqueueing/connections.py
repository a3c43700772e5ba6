"""Runs the steps of enqueueing on any connection that the caller has, always in the caller's transaction."""

from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any, TypeVar, cast

import psycopg
import psycopg.errors
from psycopg import AsyncConnection as DriverAsyncConnection

from queue_store.database.cursors import OwnAsyncCursor, OwnCursor
from queue_store.database.sqlalchemy_kinds import (
    is_async_connection,
    is_async_scoped_session,
    is_async_session,
    is_connection,
    is_scoped_session,
    is_session,
)
from queue_store.database.statements import NamedStatement, sql
from queue_store.enqueueing.producer_errors import commits_each_statement, translated_errors, wrong_connection
from queue_store.enqueueing.session_encoding import async_in_utf8, in_utf8
from queue_store.enqueueing.steps import DUPLICATE_MET, Copy, Rows, Steps

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session
    from sqlalchemy.orm import Session, scoped_session

    SyncConnection = (
        Connection | Session | scoped_session[Any] | psycopg.Connection[Any] | psycopg.Cursor[Any]
    )
    AsyncConnections = (
        AsyncConnection
        | AsyncSession
        | async_scoped_session[Any]
        | DriverAsyncConnection[Any]
        | psycopg.AsyncCursor[Any]
    )

T = TypeVar("T")

# psycopg expects one answer to the end of a COPY, and raises Python's ValueError if there are two. The second answer
# says that the session has ended. PgBouncer passes on this second answer together with the first one.
ENDED_WITH_COPY = "the database session ended when the COPY ended"

MET_ANOTHER = (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected)


def run(connection: "SyncConnection", steps: Steps[T]) -> T:
    """Passes on the errors that the steps raise. Translates database errors as `translated_errors` does."""
    with translated_errors():
        door = _Door(connection)
    with translated_errors(commits=commits_each_statement(door.driver)), in_utf8(door.driver):
        return door.run(steps)


def run_atomically(connection: "SyncConnection", steps: Steps[T]) -> T:
    """Like `run`, but in a savepoint, or in a transaction if the connection is in autocommit mode."""
    with translated_errors():
        door = _Door(connection)
        commits = commits_each_statement(door.driver)
        door.begin()
    try:
        with ExitStack() as ends:
            ends.enter_context(translated_errors(commits=commits))
            with translated_errors():  # before the COMMIT
                ends.enter_context(door.driver.transaction())
                with in_utf8(door.driver):
                    return door.run(steps)
    finally:
        if door.sqlalchemy is not None and door.driver.closed:
            door.sqlalchemy.invalidate()  # otherwise its own ROLLBACK would raise another error


async def arun(connection: "AsyncConnections", steps: Steps[T]) -> T:
    with translated_errors():
        door = await _AsyncDoor.open(connection)
    with translated_errors(commits=commits_each_statement(door.driver)):
        async with async_in_utf8(door.driver):
            return await door.run(steps)


async def arun_atomically(connection: "AsyncConnections", steps: Steps[T]) -> T:
    with translated_errors():
        door = await _AsyncDoor.open(connection)
        commits = commits_each_statement(door.driver)
        await door.begin()
    try:
        async with AsyncExitStack() as ends:
            ends.enter_context(translated_errors(commits=commits))
            with translated_errors():  # before the COMMIT
                await ends.enter_async_context(door.driver.transaction())
                async with async_in_utf8(door.driver):
                    return await door.run(steps)
    finally:
        if door.sqlalchemy is not None and door.driver.closed:
            await door.sqlalchemy.invalidate()


class _Door:
    def __init__(self, connection: "SyncConnection") -> None:
        if is_session(connection) or is_scoped_session(connection):
            connection = connection.connection()
        self.sqlalchemy = connection if is_connection(connection) else None
        driver = connection.connection.driver_connection if is_connection(connection) else connection
        if isinstance(driver, psycopg.Cursor):
            driver = driver.connection
        if not isinstance(driver, psycopg.Connection):
            raise wrong_connection(connection, driver)
        self.driver: psycopg.Connection[Any] = driver

    def begin(self) -> None:
        if self.sqlalchemy is not None and not self.sqlalchemy.in_transaction():
            self.sqlalchemy.begin()
        if (
            not self.driver.autocommit
            and self.driver.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        ):
            self.driver.execute("SELECT")

    def run(self, steps: Steps[T]) -> T:
        try:
            request = next(steps)
            while True:
                request = steps.send(
                    self.copy(request) if isinstance(request, Copy) else self.execute(request)
                )
        except StopIteration as stop:
            return stop.value

    def execute(self, statement: NamedStatement) -> Rows:
        text = sql(statement.name)
        if self.sqlalchemy is not None:
            result = self.sqlalchemy.exec_driver_sql(text.decode(), statement.parameters)
            return [tuple(row) for row in result] if result.returns_rows else []
        with OwnCursor(self.driver) as cursor:
            cursor.execute(text, statement.parameters)
            return cursor.fetchall() if cursor.description else []

    def copy(self, request: Copy) -> Rows:
        if not request.may_meet_duplicates:
            return self.copy_blocks(request)
        try:
            with self.driver.transaction():
                return self.copy_blocks(request)
        except MET_ANOTHER:
            return DUPLICATE_MET

    def copy_blocks(self, request: Copy) -> Rows:
        is_written = False
        try:
            with OwnCursor(self.driver) as cursor, cursor.copy(sql(request.name)) as copy:
                for block in request.blocks:
                    copy.write(block)
                is_written = True
        except BaseException as error:
            has_ended = is_written and isinstance(error, ValueError)
            if has_ended or _is_stuck(self.driver):
                self.driver.close()
            if has_ended:
                raise psycopg.OperationalError(ENDED_WITH_COPY) from error
            raise
        return []


class _AsyncDoor:
    def __init__(self, sqlalchemy: "AsyncConnection | None", driver: DriverAsyncConnection[Any]) -> None:
        self.sqlalchemy = sqlalchemy
        self.driver = driver

    @classmethod
    async def open(cls, connection: "AsyncConnections") -> "_AsyncDoor":
        if is_async_session(connection) or is_async_scoped_session(connection):
            connection = await connection.connection()
        sqlalchemy = connection if is_async_connection(connection) else None
        driver: object = connection
        if sqlalchemy is not None:
            driver = (await sqlalchemy.get_raw_connection()).driver_connection
        if isinstance(driver, psycopg.AsyncCursor):
            driver = driver.connection
        if not isinstance(driver, DriverAsyncConnection):
            raise wrong_connection(connection, driver)
        return cls(sqlalchemy, cast(DriverAsyncConnection[Any], driver))

    async def begin(self) -> None:
        if self.sqlalchemy is not None and not self.sqlalchemy.in_transaction():
            await self.sqlalchemy.begin()
        if (
            not self.driver.autocommit
            and self.driver.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        ):
            await self.driver.execute("SELECT")

    async def run(self, steps: Steps[T]) -> T:
        try:
            request = next(steps)
            while True:
                if isinstance(request, Copy):
                    request = steps.send(await self.copy(request))
                else:
                    request = steps.send(await self.execute(request))
        except StopIteration as stop:
            return stop.value

    async def execute(self, statement: NamedStatement) -> Rows:
        text = sql(statement.name)
        if self.sqlalchemy is not None:
            result = await self.sqlalchemy.exec_driver_sql(text.decode(), statement.parameters)
            return [tuple(row) for row in result] if result.returns_rows else []
        async with OwnAsyncCursor(self.driver) as cursor:
            await cursor.execute(text, statement.parameters)
            return await cursor.fetchall() if cursor.description else []

    async def copy(self, request: Copy) -> Rows:
        if not request.may_meet_duplicates:
            return await self.copy_blocks(request)
        try:
            async with self.driver.transaction():
                return await self.copy_blocks(request)
        except MET_ANOTHER:
            return DUPLICATE_MET

    async def copy_blocks(self, request: Copy) -> Rows:
        is_written = False
        try:
            async with OwnAsyncCursor(self.driver) as cursor, cursor.copy(sql(request.name)) as copy:
                for block in request.blocks:
                    await copy.write(block)
                is_written = True
        except BaseException as error:
            has_ended = is_written and isinstance(error, ValueError)
            if has_ended or _is_stuck(self.driver):
                await self.driver.close()
            if has_ended:
                raise psycopg.OperationalError(ENDED_WITH_COPY) from error
            raise
        return []


def _is_stuck(driver: psycopg.Connection[Any] | DriverAsyncConnection[Any]) -> bool:
    """Whether a COPY is still open. psycopg leaves a COPY open if an interrupt comes while the COPY begins. While a
    COPY is open, every ROLLBACK fails, but the server rolls back when the connection is closed."""
    return driver.info.transaction_status == psycopg.pq.TransactionStatus.ACTIVE

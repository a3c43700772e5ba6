"""The connection that slices run on. Slices of plain handlers run on the run's own connection. Slices of `async def`
handlers run on an asynchronous connection.

The classes for both connections have the same asynchronous methods. On a plain connection, these methods never wait:
see `one_body`.
"""

from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import psycopg

from queue_store.database.async_connection import AsyncHeldConnection
from queue_store.database.cursors import OwnAsyncCursor, OwnCursor
from queue_store.errors import ClaimLostError
from queue_store.records.record import Outcome, Record, Written
from queue_store.runs.async_writing import write_in_async
from queue_store.runs.held_commit import hold_in, hold_in_async, settle_in, settle_in_async
from queue_store.runs.run import Run
from queue_store.runs.sessions import is_alive
from queue_store.runs.slice_session import SliceSession

from ..exceptions import RunLostError
from ..worker.event_loop import EventLoop
from .one_body import run_without_waiting
from .transactions import Driver

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

R = TypeVar("R")
Rows = list[tuple[Any, ...]]


class OpenSlice(Protocol):
    """The transaction of one slice."""

    sqlalchemy: "Connection | AsyncConnection | None"
    driver: Driver

    async def execute(self, statement: bytes, parameters: dict[str, Any] | None = None) -> Rows: ...

    async def write(self, outcomes: Sequence[Outcome]) -> Written:
        """Does the same as `Run.write_in`."""
        ...

    async def hold(self, batch_size: int, idle_seconds: float) -> list[Record]:
        """Lock the next due records for an express slice. Raises NotExpressError."""
        ...

    async def settle(self, outcomes: Sequence[Outcome]) -> Written:
        """Claim and complete records of this express slice."""
        ...


class SliceConnection(Protocol):
    def run(self, body: Coroutine[Any, Any, R]) -> R:
        """Run the coroutine to its end. Call this only in the thread that owns the run."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[OpenSlice]:
        """Opens a transaction for an `async with` block. Only the end of the block ends the transaction: it commits
        the transaction, or rolls it back after an error. Raises what `HeldConnection.transaction` raises, and
        RunLostError if the run was declared dead."""
        ...

    def recover(self) -> None:
        """Call this after a handler closed the connection, or after the session was lost. Raises RunLostError."""
        ...

    def end(self) -> None:
        """Undoes everything that handlers have changed in the connection's session. Behind PgBouncer, this method does
        nothing, because the connection may have another session by now. There, each slice has already undone the
        changes in the session that it used."""
        ...


class PlainSliceConnection:
    def __init__(self, run: Run) -> None:
        self._run = run

    def run(self, body: Coroutine[Any, Any, R]) -> R:
        return run_without_waiting(body)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[OpenSlice]:
        held = self._run.held
        with held.transaction() as cursor, cursor.connection.transaction():
            sqlalchemy = held.sqlalchemy if self._run.options.with_sqlalchemy else None
            yield _PlainSlice(self._run, cursor, sqlalchemy, held.driver)

    def recover(self) -> None:
        try:
            self._run.reopen()
        except ClaimLostError:
            raise RunLostError("this run was declared dead") from None

    def end(self) -> None:
        held = self._run.held
        if self._run.database.settings.pgbouncer:
            return
        try:
            self.run(self._reset())
        except Exception:  # noqa: BLE001
            with suppress(Exception):
                held.invalidate()

    async def _reset(self) -> None:
        async with self.transaction() as opened:
            await SliceSession(opened.execute).reset()


@dataclass(slots=True)
class _PlainSlice:
    run: Run
    cursor: psycopg.Cursor[Any]
    sqlalchemy: "Connection | AsyncConnection | None"
    driver: Driver

    async def execute(self, statement: bytes, parameters: dict[str, Any] | None = None) -> Rows:
        with OwnCursor(self.cursor.connection) as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    async def write(self, outcomes: Sequence[Outcome]) -> Written:
        return self.run.write_in(self.cursor, outcomes)

    async def hold(self, batch_size: int, idle_seconds: float) -> list[Record]:
        with OwnCursor(self.cursor.connection, binary=True) as cursor:
            return hold_in(self.run, cursor, batch_size, idle_seconds)

    async def settle(self, outcomes: Sequence[Outcome]) -> Written:
        return settle_in(self.run, self.cursor, outcomes)


class AsyncSliceConnection:
    def __init__(self, run: Run, event_loop: EventLoop) -> None:
        self._run = run
        self._event_loop = event_loop
        self._held: AsyncHeldConnection | None = None

    def run(self, body: Coroutine[Any, Any, R]) -> R:
        return self._event_loop.run(body)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[OpenSlice]:
        held = await self._open()
        async with held.transaction() as cursor:
            yield _AsyncSlice(self._run, cursor, held.sqlalchemy, await held.driver())

    def recover(self) -> None:
        """Closes the connection. The next slice opens another connection."""
        self.run(self._close())

    def end(self) -> None:
        self.run(self._end())

    async def _open(self) -> AsyncHeldConnection:
        """Opens the connection if it is not open. Raises RunLostError if the run was declared dead, so that no more
        handlers are called."""
        if self._held is None:
            held = await AsyncHeldConnection.open(self._run.database.async_engine)
            async with held.transaction() as cursor:
                if not await is_alive(cursor, self._run.flow_instance_id):
                    raise RunLostError("this run was declared dead") from ClaimLostError([])
            self._held = held
        return self._held

    async def _end(self) -> None:
        if self._held is None:
            return
        try:
            if not self._run.database.settings.pgbouncer:
                await self._reset(self._held)
        except Exception:  # noqa: BLE001
            await self._held.invalidate()
        await self._close()

    async def _reset(self, held: AsyncHeldConnection) -> None:
        async with held.transaction() as cursor:
            opened = _AsyncSlice(self._run, cursor, held.sqlalchemy, cursor.connection)
            await SliceSession(opened.execute).reset()

    async def _close(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            await held.close()


@dataclass(slots=True)
class _AsyncSlice:
    run: Run
    cursor: psycopg.AsyncCursor[Any]
    sqlalchemy: "Connection | AsyncConnection | None"
    driver: Driver

    async def execute(self, statement: bytes, parameters: dict[str, Any] | None = None) -> Rows:
        async with OwnAsyncCursor(self.cursor.connection) as cursor:
            await cursor.execute(statement, parameters)
            return await cursor.fetchall() if cursor.description else []

    async def write(self, outcomes: Sequence[Outcome]) -> Written:
        return await write_in_async(self.run, self.cursor, outcomes)

    async def hold(self, batch_size: int, idle_seconds: float) -> list[Record]:
        async with OwnAsyncCursor(self.cursor.connection, binary=True) as cursor:
            return await hold_in_async(self.run, cursor, batch_size, idle_seconds)

    async def settle(self, outcomes: Sequence[Outcome]) -> Written:
        return await settle_in_async(self.run, self.cursor, outcomes)

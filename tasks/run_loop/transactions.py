"""The transaction of a slice. The handler gets the transaction as a connection or a session, of the kind that the
handler asked for. After each call of the handler, `Transaction` shows whether the transaction is still intact."""

import inspect
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import TransactionStatus

from queue_store.database.driver_errors import (
    ENDED_SESSIONS,
    IDLE_IN_TRANSACTION,
    NO_SUCH_SAVEPOINT,
    cause_of,
    is_conflict,
    is_refused_commit,
    sqlstate_of,
)
from queue_store.database.sqlalchemy_kinds import ASYNC, ORM, is_kind
from queue_store.errors import ConflictError

from ..exceptions import PermanentError, RunLostError, TransactionTimeoutError
from .exception_groups import leaves_of

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
    from sqlalchemy.orm import Session

SERVER_ENDS_SESSIONS = ("57P01", "57P02", "57P03")  # an administrator's command, a crash, a shutdown

MISUSE = (
    "the handler must not commit, roll back or close the transaction it was given, nor catch a database error in it "
    "without a savepoint"
)
LEFT_OPEN = "the handler must end its psycopg transaction() blocks and the savepoints of session.connection()"
IDLE_TOO_LONG = (
    "the handler left its transaction idle for longer than idle_in_transaction_session_timeout, so Postgres ended the "
    "session: do the long part in another flow, or give this flow idle_in_transaction_seconds"
)
Driver = psycopg.Connection[Any] | psycopg.AsyncConnection[Any]


class SessionEndedError(Exception):
    """Postgres ended the session because a handler of this slice left its transaction idle or open for too long. The
    call that fails need not be the call that left the transaction idle or open."""


class Transaction:
    """The transaction that all calls of a slice receive, one after the other. The transaction is synchronous for a
    plain handler, and asynchronous for an `async def` handler. For a plain handler, the coroutines of this class never
    suspend.

    `connection`: a SQLAlchemy connection, or None if the handler gets the driver's connection. `charges_conflicts`:
    whether a conflict between transactions counts as the handler's failure, as it does after too many conflicts in a
    row. `is_alone`: whether the slice has only one record. If the handler made the server end the session, the record
    is charged only if it is alone in its slice."""

    def __init__(
        self,
        connection: "Connection | AsyncConnection | None",
        driver: Driver,
        kind: type | None,
        *,
        savepoints: bool,
        charges_conflicts: bool,
        is_alone: bool,
    ) -> None:
        self._connection: Any = connection
        self._driver = driver
        self._kind = kind
        self._join_mode: Any = "create_savepoint" if savepoints else "rollback_only"
        self._charges_conflicts = charges_conflicts
        self._is_alone = is_alone
        self._factories = _factories_of(driver)
        self._block_count = _block_count(driver)
        is_session = is_kind(kind, ORM, "Session") or is_kind(kind, ASYNC, "AsyncSession")
        self._session_type: Any = kind if is_session else None
        self._session: Session | AsyncSession | None = None
        self._record_ids: list[int] = []
        self._begun: Any = None if connection is None else connection.get_transaction()

    def open(self, record_ids: list[int]) -> None:
        """Prepare the transaction for a call of the handler with these records."""
        self._record_ids = record_ids
        options: dict[str, Any] = {"expire_on_commit": False, "join_transaction_mode": self._join_mode}
        if self._session_type is not None:
            self._session = self._session_type(bind=self._connection, **options)

    @property
    def given(self) -> Any:
        if self._session is not None:
            return self._session
        if self._kind in (psycopg.Connection, psycopg.AsyncConnection):
            return self._driver
        return self._connection

    async def settle(self) -> None:
        """Send the statements that SQLAlchemy's session has not sent yet. Release the savepoints that the handler left
        open, as a commit of SQLAlchemy does, so that their rows are kept. Raises the database's errors, and
        PermanentError if nothing more can be done in this transaction."""
        self._raise_if_misused()
        savepoint = None
        if self._session is not None:
            await awaited(self._session.commit())
            self._raise_if_misused()
            savepoint = self._connection.get_nested_transaction()
        elif self._connection is not None:
            while (savepoint := self._connection.get_nested_transaction()) and savepoint.is_active:
                await awaited(savepoint.commit())
        if savepoint is not None or _block_count(self._driver) != self._block_count:
            raise PermanentError(LEFT_OPEN)

    async def close(self) -> None:
        """Take the connection back from the handler, and undo what the handler did to it."""
        _put_back_factories(self._driver, self._factories)
        session, self._session = self._session, None
        if session is not None:
            await awaited(session.close())

    async def abandon(self) -> None:
        """Call this before a rollback. If the handler left a block of psycopg's `transaction()` open, psycopg cannot
        end the slice's block, and the handler's block could end in a later transaction. So the connection is closed."""
        if _block_count(self._driver) != self._block_count:
            with suppress(psycopg.Error):
                await awaited(self._driver.execute(b"ROLLBACK"))  # releases the locks at once
            await awaited(self._driver.close())

    @property
    def is_whole(self) -> bool:
        """Whether the handler has neither ended the transaction nor closed the connection."""
        begun = self._begun
        return is_open(self._driver) and (self._connection is None or (begun is not None and begun.is_active))

    @property
    def is_clean(self) -> bool:
        """Whether the next call can begin. An open savepoint prevents this, because every statement in it may fail."""
        savepoint = None if self._connection is None else self._connection.get_nested_transaction()
        return self.is_whole and savepoint is None and _block_count(self._driver) == self._block_count

    @property
    def is_usable(self) -> bool:
        """Whether the rows of the call can be committed. This check is made for each record, so it must be quick."""
        status, connection, begun = self._driver.pgconn.transaction_status, self._connection, self._begun
        if connection is not None and (
            not begun or not begun.is_active or connection.get_nested_transaction()
        ):
            return False
        return status == TransactionStatus.INTRANS and _block_count(self._driver) == self._block_count

    def charged(self, error: BaseException) -> BaseException:
        """If `error` charges an attempt, returns the error to store for this attempt: `error` itself or a clearer one.
        If no attempt is charged, raises ConflictError, RunLostError or SessionEndedError. After a RunLostError, the run
        ends. After a ConflictError or a SessionEndedError, the records of the slice are processed again."""
        causes = [cause_of(leaf) for leaf in leaves_of(error)]
        conflict = next(filter(is_conflict, causes), None)
        if conflict is not None and not self._charges_conflicts:
            kind = type(conflict).__name__
            raise ConflictError(f"{kind} in a handler: the slice is processed again") from error
        if self._driver.broken or (
            self._driver.closed and any(isinstance(cause, psycopg.OperationalError) for cause in causes)
        ):
            self._raise_if_another_is_to_blame(error)
        return explained(error)

    def _raise_if_another_is_to_blame(self, error: BaseException) -> None:
        if not _ended_with(error, ENDED_SESSIONS):
            suspects = () if _ended_with(error, SERVER_ENDS_SESSIONS) else self._record_ids
            raise RunLostError(
                f"the connection broke in the handler of {_named(self._record_ids)}", suspects
            ) from error
        if not self._is_alone:
            raise SessionEndedError from error

    def _raise_if_misused(self) -> None:
        has_failed = self._driver.pgconn.transaction_status == TransactionStatus.INERROR
        if has_failed or not self.is_whole:
            raise PermanentError(MISUSE)


def explained(error: BaseException) -> BaseException:
    """Returns the error itself, or a new error that names the handler's mistake if the server's message does not name
    it."""
    explanation = next(filter(None, map(_explanation, (error, *leaves_of(error)))), None)
    if explanation is None:
        return error
    explanation.__cause__ = error
    return explanation


def _explanation(error: BaseException) -> Exception | None:
    state = sqlstate_of(error)
    if _ended_with(error, (IDLE_IN_TRANSACTION,)):
        return TransactionTimeoutError(IDLE_TOO_LONG)
    if state in ENDED_SESSIONS:
        return TransactionTimeoutError(f"{error}: do the long part in another flow")
    if state == NO_SUCH_SAVEPOINT or is_refused_commit(error):
        return PermanentError(MISUSE)
    return None


def is_open(driver: Driver) -> bool:
    """Whether the connection is open and has a transaction open."""
    return driver.pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)


def _block_count(driver: Driver) -> int:
    return getattr(driver, "_num_transactions", 0)  # the open `transaction()` blocks; no public name exists


def _factories_of(driver: Driver) -> tuple[Any, ...]:
    return driver.row_factory, driver.cursor_factory, driver.server_cursor_factory, driver.prepare_threshold


def _put_back_factories(driver: Any, factories: tuple[Any, ...]) -> None:
    driver.row_factory, driver.cursor_factory, driver.server_cursor_factory, driver.prepare_threshold = (
        factories
    )


async def awaited(returned: Any) -> None:
    if inspect.isawaitable(returned):
        await returned


def _ended_with(error: BaseException, sqlstates: Sequence[str]) -> bool:
    """Whether the server ended the session with one of these codes. An error from a later use of the connection says
    only that the connection is closed. So this function also looks at the earlier errors in the chain of causes, and
    into groups of exceptions. The chain can be circular."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        if sqlstate_of(one) in sqlstates:
            return True
        seen.add(id(one))
        waiting.append(one.__cause__ or one.__context__)
        if isinstance(one, BaseExceptionGroup):
            waiting += leaves_of(one)
    return False


def _named(record_ids: Sequence[int]) -> str:
    if len(record_ids) == 1:
        return f"record {record_ids[0]}"
    return f"{len(record_ids)} records"

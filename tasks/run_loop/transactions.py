"""The transaction of a slice in the form that the handler asked for. Also checks whether it is still intact after
the handler."""

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import TransactionStatus

from queue_store.database.driver_errors import (
    COMMIT_REFUSED,
    ENDED_SESSIONS,
    IDLE_IN_TRANSACTION,
    NO_SUCH_SAVEPOINT,
    cause_of,
    is_conflict,
    sqlstate_of,
)
from queue_store.database.sqlalchemy_kinds import ASYNC, ORM, is_kind
from queue_store.errors import ConflictError

from ..exceptions import PermanentError, RunLostError, TransactionTimeoutError

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
    from sqlalchemy.orm import Session

SERVER_ENDS_SESSIONS = ("57P01", "57P02", "57P03")  # an administrator, a crash of another session, a shutdown

MISUSE = (
    "the handler must not commit, roll back or close the transaction it was given, nor hide an error in it"
)
IDLE_TOO_LONG = (
    "the handler left its transaction idle for longer than idle_in_transaction_session_timeout, so Postgres ended the "
    "session: do the long part before the first statement, or give the flow idle_in_transaction_seconds"
)
Driver = psycopg.Connection[Any] | psycopg.AsyncConnection[Any]


class SessionEndedError(Exception):
    """Postgres ended the session because a handler of this slice left its transaction idle or open for too long. The
    one that notices it need not be the one that did it."""


class Transaction:
    """The transaction that the handler receives in one call after the other. It is synchronous for a plain handler
    and asynchronous for an `async def` one. Its coroutines wait only in the latter case.

    `connection`: SQLAlchemy's, None for a handler that is given the driver's.
    `charges_conflicts`: a conflict between transactions is the handler's own failure, after too many in a row.
    `is_alone`: the slice has one record, which is to blame for whatever happens to its session.
    """

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
        is_session = is_kind(kind, ORM, "Session") or is_kind(kind, ASYNC, "AsyncSession")
        self._session_type: Any = kind if is_session else None
        self._session: Session | AsyncSession | None = None
        self._record_ids: list[int] = []
        self._begun: Any = None if connection is None else connection.get_transaction()

    def open(self, record_ids: list[int]) -> None:
        """For the call of the handler on these records."""
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
        """Send what the session still holds. Raises what the database says to it, and PermanentError when nothing
        more can be done in this transaction."""
        self._raise_if_misused()
        if self._session is not None:
            await _awaited(self._session.commit())
            self._raise_if_misused()

    async def close(self) -> None:
        """Take the connection back from the handler, and undo what the handler did to it."""
        _put_back_factories(self._driver, self._factories)
        session, self._session = self._session, None
        if session is not None:
            await _awaited(session.close())

    @property
    def is_whole(self) -> bool:
        """Returns False if the handler ended the transaction or closed the connection."""
        if self._connection is None:
            return is_open(self._driver)
        begun = self._begun
        return is_open(self._driver) and begun is not None and begun.is_active

    @property
    def is_clean(self) -> bool:
        """Whether the next call can begin: SQLAlchemy refuses every statement while a savepoint of its own, left open
        or broken, lasts."""
        return self.is_whole and (
            self._connection is None or self._connection.get_nested_transaction() is None
        )

    def charged(self, error: BaseException) -> BaseException:
        """A conflict between transactions is resolved by doing the slice again, and a lost connection ends the run: no
        attempt is charged for either. Raises ConflictError, RunLostError or SessionEndedError."""
        if is_conflict(error) and not self._charges_conflicts:
            kind = type(cause_of(error)).__name__
            raise ConflictError(f"{kind} in a handler: the slice is processed again") from error
        if self._driver.broken or (
            self._driver.closed and isinstance(cause_of(error), psycopg.OperationalError)
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
    """An error that says what the handler did, if the server's own message does not."""
    state = sqlstate_of(error)
    if state == IDLE_IN_TRANSACTION or _ended_with(error, (IDLE_IN_TRANSACTION,)):
        explanation: Exception = TransactionTimeoutError(IDLE_TOO_LONG)
    elif state in ENDED_SESSIONS:
        explanation = TransactionTimeoutError(f"{error}: do the long part before the first statement")
    elif state in (COMMIT_REFUSED, NO_SUCH_SAVEPOINT):
        explanation = PermanentError(MISUSE)
    else:
        return error
    explanation.__cause__ = error
    return explanation


def is_open(driver: Driver) -> bool:
    """A closed connection is in no transaction."""
    return driver.pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)


def _factories_of(driver: Driver) -> tuple[Any, ...]:
    return driver.row_factory, driver.cursor_factory, driver.server_cursor_factory, driver.prepare_threshold


def _put_back_factories(driver: Any, factories: tuple[Any, ...]) -> None:
    driver.row_factory, driver.cursor_factory, driver.server_cursor_factory, driver.prepare_threshold = (
        factories
    )


async def _awaited(returned: Any) -> None:
    if inspect.isawaitable(returned):
        await returned


def _ended_with(error: BaseException | None, sqlstates: Sequence[str]) -> bool:
    """Whether the server ended the session with one of these codes. A second use of the connection only says that it
    is closed, so the earlier errors are searched, too. The causes of a handler's error may form a circle."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if sqlstate_of(error) in sqlstates:
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _named(record_ids: Sequence[int]) -> str:
    if len(record_ids) == 1:
        return f"record {record_ids[0]}"
    return f"{len(record_ids)} records"

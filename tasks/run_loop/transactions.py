"""The transaction of a slice in the form that the handler asked for, and whether it is still whole afterwards."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session

from queue_store.database.driver_errors import cause_of, is_conflict, sqlstate_of
from queue_store.errors import ConflictError

from ..exceptions import PermanentError, RunLostError

SERVER_ENDS_SESSIONS = ("57P01", "57P02", "57P03")  # an administrator, a crash of another session, a shutdown

MISUSE = (
    "the handler must not commit, roll back or close the transaction it was given, nor hide an error in it"
)


_OPEN_STATES = (
    TransactionStatus.INTRANS,
    TransactionStatus.INERROR,
)  # a closed connection is in none of them


class Transaction:
    """For one handler call after the other."""

    def __init__(
        self,
        connection: Connection,
        driver: "psycopg.Connection[Any]",
        kind: type | None,
        *,
        savepoints: bool,
    ) -> None:
        self._connection = connection
        self._driver = driver
        self._kind = kind
        self._mode = "create_savepoint" if savepoints else "rollback_only"
        self._session: Session | None = None
        self._begun = connection.get_transaction()

    def open(self) -> Any:
        if self._kind is psycopg.Connection:
            return self._driver
        if self._kind is Session:
            mode: Any = self._mode
            self._session = Session(bind=self._connection, expire_on_commit=False, join_transaction_mode=mode)
            return self._session
        return self._connection

    def settle(self) -> None:
        """After the handler, within its time limit: sends what the session still holds. Raises what the database
        says to it, and PermanentError when nothing more can be done in this transaction."""
        raise_if_misused(self)
        if self._session is not None:
            self._session.commit()
            raise_if_misused(self)

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    @property
    def is_whole(self) -> bool:
        """False: the handler ended the transaction or closed the connection."""
        return is_open(self._driver) and self._begun is not None and self._begun.is_active

    @property
    def has_failed(self) -> bool:
        """Postgres refuses every statement until the savepoint is rolled back."""
        return self._driver.pgconn.transaction_status == TransactionStatus.INERROR


class AsyncTransaction:
    """The same for `async def` handlers."""

    def __init__(
        self,
        connection: AsyncConnection,
        driver: "psycopg.AsyncConnection[Any]",
        kind: type | None,
        *,
        savepoints: bool,
    ) -> None:
        self._connection = connection
        self._driver = driver
        self._kind = kind
        self._mode = "create_savepoint" if savepoints else "rollback_only"
        self._session: AsyncSession | None = None
        self._begun = connection.get_transaction()

    def open(self) -> Any:
        if self._kind is psycopg.AsyncConnection:
            return self._driver
        if self._kind is AsyncSession:
            self._session = AsyncSession(
                bind=self._connection, expire_on_commit=False, join_transaction_mode=self._mode
            )
            return self._session
        return self._connection

    async def settle(self) -> None:
        raise_if_misused(self)
        if self._session is not None:
            await self._session.commit()
            raise_if_misused(self)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @property
    def is_whole(self) -> bool:
        return is_open(self._driver) and self._begun is not None and self._begun.is_active

    @property
    def has_failed(self) -> bool:
        return self._driver.pgconn.transaction_status == TransactionStatus.INERROR


def raise_if_misused(transaction: Transaction | AsyncTransaction) -> None:
    if not transaction.is_whole or transaction.has_failed:
        raise PermanentError(MISUSE)


def is_open(driver: "psycopg.Connection[Any] | psycopg.AsyncConnection[Any]") -> bool:
    return driver.pgconn.transaction_status in _OPEN_STATES


def raise_if_not_the_handlers_fault(
    error: BaseException,
    driver: "psycopg.Connection[Any] | psycopg.AsyncConnection[Any]",
    record_ids: Sequence[int],
) -> None:
    """A conflict between transactions is resolved by doing the slice again, and a lost connection ends the run: no
    attempt is charged for either. Raises ConflictError or RunLostError."""
    cause = cause_of(error)
    if is_conflict(error):
        raise ConflictError(f"{type(cause).__name__} in a handler: the slice is done again") from error
    if driver.broken or (driver.closed and isinstance(cause, psycopg.OperationalError)):
        suspects = () if _server_ended_it(error) else record_ids
        raise RunLostError(
            f"the connection broke in the handler of {_named(record_ids)}", suspects
        ) from error


def _server_ended_it(error: BaseException | None) -> bool:
    """Whoever uses the connection again after the server ended it only hears that it is closed: what came before says
    why."""
    while error is not None:
        if sqlstate_of(error) in SERVER_ENDS_SESSIONS:
            return True
        error = error.__cause__ or error.__context__
    return False


def _named(record_ids: Sequence[int]) -> str:
    if len(record_ids) == 1:
        return f"record {record_ids[0]}"
    return f"{len(record_ids)} records"

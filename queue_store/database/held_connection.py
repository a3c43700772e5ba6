"""A connection from a pool. If the connection breaks, the errors say what has happened."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
from psycopg import Cursor
from psycopg.pq import ExecStatus, TransactionStatus

from queue_store.database.connection_pool import ConnectionPool, Driver, PoolExhaustedError
from queue_store.database.cursors import OwnCursor
from queue_store.database.driver_errors import database_errors, translated, unavailable
from queue_store.database.read_only import refused_writes
from queue_store.database_url import Address
from queue_store.errors import CommitUnknownError, DatabaseUnavailableError, QueueStoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection

BEGIN = b"BEGIN"


class Transaction(Protocol):
    """The methods of SQLAlchemy's Transaction that this module uses."""

    def commit(self) -> None: ...
    def rollback(self) -> None: ...


class HeldConnection:
    """One connection from the pool, kept for many transactions."""

    _in_autocommit: Driver | None = None  # the connection, while `first_pipeline` has it in autocommit mode

    def __init__(self, pool: ConnectionPool, url: Address) -> None:
        """Raises psycopg.OperationalError and PoolExhaustedError."""
        self._pool = pool
        self._url = url
        self._driver: Driver | None = self._take()

    @property
    def sqlalchemy(self) -> "Connection":
        """The SQLAlchemy connection. Raises QueueStoreError unless this HeldConnection was made with
        `with_sqlalchemy=True`."""
        raise QueueStoreError("this connection was held without with_sqlalchemy=True")

    @property
    def driver(self) -> Driver:
        """Raises DatabaseUnavailableError after `invalidate`, until the next transaction begins."""
        if self._driver is None:
            raise DatabaseUnavailableError("the connection was closed")
        return self._driver

    @property
    def is_invalidated(self) -> bool:
        return self._driver is None

    def invalidate(self) -> None:
        """Close the session for good. The next transaction takes another connection from the pool."""
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()
            self._pool.give_back(driver)

    def close(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            self._pool.give_back(driver)

    @contextmanager
    def transaction(self) -> Generator[Cursor[Any]]:
        """A cursor in a transaction. The transaction commits at the end, and rolls back on an error.

        Raises ConflictError (try again), DatabaseUnavailableError (nothing was written), or CommitUnknownError (the
        connection broke during COMMIT).
        """
        transaction = self._begin()
        try:
            try:
                with OwnCursor(self.driver, binary=True) as cursor:
                    yield cursor
            except BaseException as error:
                with suppress(Exception):
                    if not self.is_invalidated and self._is_stuck():
                        self.invalidate()
                    self._roll_back(transaction)
                self._raise_translated(error)
                raise
            self.commit(transaction)
        finally:
            self._let_driver_begin()

    @contextmanager
    def first_pipeline(self, cursor: Cursor[Any]) -> Generator[None]:
        """Sends the first statements of this cursor's transaction in one round trip, together with BEGIN. Outside
        this block, psycopg waits for the answer to BEGIN before it sends other statements."""
        is_first = self.driver.pgconn.transaction_status == TransactionStatus.IDLE
        if is_first:
            self._in_autocommit = self.driver
            self.driver.autocommit = True  # so psycopg sends no BEGIN of its own until the transaction ends
        with self.driver.pipeline():
            if is_first:
                cursor.execute(BEGIN)
            yield

    @contextmanager
    def outside_transaction(self) -> Generator[Cursor[Any]]:
        """A cursor in autocommit mode, for statements such as VACUUM. Raises ConflictError or
        DatabaseUnavailableError."""
        try:
            self.driver.autocommit = True
            with OwnCursor(self.driver) as cursor:
                yield cursor
        except psycopg.Error as error:
            self._raise_translated(error)
            raise
        finally:
            with suppress(psycopg.Error, DatabaseUnavailableError):
                self.driver.autocommit = False

    def undo(self) -> None:
        """Roll back this transaction without psycopg's method `rollback`. `rollback` makes psycopg forget its
        prepared statements, and psycopg prepares a statement again only after five executions. Call this only if the
        transaction executed no definitions (DDL), because prepared statements may depend on definitions."""
        if self.driver.pgconn.exec_(b"ROLLBACK").status != ExecStatus.COMMAND_OK:
            self.driver.rollback()  # raises the error
        self._let_driver_begin()

    def undo_to(self, savepoint: str) -> None:
        """Roll back to the savepoint, under the same conditions as `undo`."""
        command = f"ROLLBACK TO {savepoint}".encode()
        if self.driver.pgconn.exec_(command).status != ExecStatus.COMMAND_OK:
            self.driver.execute(command)  # raises the error

    def commit(self, transaction: Transaction) -> None:
        if self.driver.info.transaction_status == TransactionStatus.INERROR:
            transaction.rollback()  # else Postgres would answer COMMIT with ROLLBACK, and nobody would notice
            raise QueueStoreError(
                "a statement failed in this transaction and its error was caught, so nothing was written: "
                "do not catch the error, or put a savepoint around the statement"
            )
        try:
            transaction.commit()
        except database_errors() as error:
            meaning = translated(error, self._url)
            if isinstance(meaning, DatabaseUnavailableError):
                self.invalidate()
                meaning = CommitUnknownError(
                    "the connection broke during COMMIT: read the rows to see whether they were written"
                )
            with suppress(Exception):
                transaction.rollback()
            if meaning is None:
                raise
            raise meaning from error

    def _let_driver_begin(self) -> None:
        """Ends the autocommit mode that `first_pipeline` began: later statements must not be committed one by
        one."""
        driver, self._in_autocommit = self._in_autocommit, None
        if driver is None or driver.closed:
            return
        try:
            driver.autocommit = False
        except psycopg.Error:
            self.invalidate()

    def _take(self) -> Driver:
        return self._pool.take()

    def _begin(self) -> Transaction:
        if self._driver is None:
            try:
                self._driver = self._take()
            except (psycopg.OperationalError, PoolExhaustedError) as error:
                raise unavailable(self._url, error) from error
        return self._driver

    def _roll_back(self, transaction: Transaction) -> None:
        if self.is_invalidated:
            return
        try:
            transaction.rollback()
        except Exception:  # for example because psycopg was interrupted while it began a savepoint
            self.invalidate()
            raise

    def _is_stuck(self) -> bool:
        """Whether ROLLBACK would fail: the connection is closed, or was interrupted in the middle of a statement."""
        status = self.driver.pgconn.transaction_status
        return status in (TransactionStatus.ACTIVE, TransactionStatus.UNKNOWN)

    def _raise_translated(self, error: BaseException) -> None:
        meaning = translated(error, self._url)
        if meaning is None and (meaning := refused_writes(error, lambda: self.driver, self._url)):
            self._pool.dispose()  # the pool's idle sessions are on this read-only server, too
        if meaning is None:
            return
        if isinstance(meaning, DatabaseUnavailableError):
            self.invalidate()
        raise meaning from error

"""A connection out of a pool, and what it means when it breaks."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any, cast

import psycopg
import sqlalchemy.exc
from psycopg import Cursor
from psycopg.pq import ExecStatus, TransactionStatus
from sqlalchemy import Connection

from queue_store.database.cursors import OwnCursor
from queue_store.database.driver_errors import translated, unavailable
from queue_store.database.read_only import refused_writes
from queue_store.errors import CommitUnknownError, DatabaseUnavailableError, QueueStoreError


class HeldConnection:
    """One connection out of the pool, kept for many transactions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def sqlalchemy(self) -> Connection:
        return self._connection

    @property
    def driver(self) -> psycopg.Connection[Any]:
        driver = self._connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        return cast("psycopg.Connection[Any]", driver)

    @contextmanager
    def transaction(self) -> Generator[Cursor[Any]]:
        """A cursor in a transaction: COMMIT at the end, ROLLBACK on an error.

        Raises ConflictError (call again), DatabaseUnavailableError (nothing was written) or, when the
        connection broke during COMMIT, CommitUnknownError.
        """
        transaction = self._begin()
        try:
            with OwnCursor(self.driver, binary=True) as cursor:
                yield cursor
        except BaseException as error:
            with suppress(Exception):
                if not self._connection.invalidated and self._is_stuck():
                    self._connection.invalidate()
                self._roll_back(transaction)
            self._raise_translated(error)
            raise
        self.commit(transaction)

    @contextmanager
    def outside_transaction(self) -> Generator[Cursor[Any]]:
        """For statements such as VACUUM. Raises what `transaction` raises."""
        try:
            self.driver.autocommit = True
            with OwnCursor(self.driver) as cursor:
                yield cursor
        except psycopg.Error as error:
            self._raise_translated(error)
            raise
        finally:
            with suppress(psycopg.Error):
                self.driver.autocommit = False

    def _roll_back(self, transaction: Any) -> None:
        try:
            transaction.rollback()
        except Exception:  # psycopg refuses, for one, when it was interrupted while it began a savepoint
            self._connection.invalidate()
            raise

    def _is_stuck(self) -> bool:
        """Closed, or interrupted in a way that leaves a statement behind which no ROLLBACK can pass."""
        status = self.driver.pgconn.transaction_status
        return status in (TransactionStatus.ACTIVE, TransactionStatus.UNKNOWN)

    def _begin(self) -> Any:
        try:
            return self._connection.begin()
        except sqlalchemy.exc.OperationalError as error:  # after invalidate it connects again here
            raise unavailable(self._connection.engine.url, error) from error

    def undo(self) -> None:
        """ROLLBACK of what this transaction did, while statements and no definitions were executed in it. A ROLLBACK by
        psycopg makes it forget every prepared statement, which is prepared again when it was planned five times."""
        if self.driver.pgconn.exec_(b"ROLLBACK").status != ExecStatus.COMMAND_OK:
            self.driver.rollback()  # says what is wrong

    def commit(self, transaction: Any) -> None:
        if self.driver.info.transaction_status == TransactionStatus.INERROR:
            transaction.rollback()  # Postgres would answer COMMIT with ROLLBACK, and nobody would notice
            raise QueueStoreError(
                "a statement failed in this transaction and its error was hidden, nothing was written: "
                "let the error pass, or put a savepoint around the statement"
            )
        try:
            transaction.commit()
        except (psycopg.Error, sqlalchemy.exc.DBAPIError) as error:
            meaning = translated(error, self._connection.engine.url)
            if isinstance(meaning, DatabaseUnavailableError):
                self._connection.invalidate()
                meaning = CommitUnknownError("the connection broke during COMMIT: read the rows again")
            with suppress(Exception):
                transaction.rollback()
            if meaning is None:
                raise
            raise meaning from error

    def _raise_translated(self, error: BaseException) -> None:
        engine = self._connection.engine
        meaning = translated(error, engine.url)
        if meaning is None and (meaning := refused_writes(error, lambda: self.driver, engine.url)):
            engine.dispose()  # the idle sessions of the pool lead to the same server
        if meaning is None:
            return
        if isinstance(meaning, DatabaseUnavailableError):
            self._connection.invalidate()
        raise meaning from error

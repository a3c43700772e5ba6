"""The one door to a database: its pools, transactions, and what a broken connection means."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import psycopg
import sqlalchemy.exc
from psycopg import Cursor
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import URL

from queue_store.database.cursors import OwnCursor
from queue_store.database.driver_errors import translated, unavailable
from queue_store.database.pooler import refuse_unnamed_pooler
from queue_store.database.read_only import refused_writes
from queue_store.errors import CommitUnknownError, DatabaseUnavailableError, QueueStoreError
from queue_store.settings import DEFAULT_DATABASE, DatabaseSettings, load_database_settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

CONNECT_TIMEOUT_SECONDS = 5
IDLE_IN_TRANSACTION_SECONDS = 300
# Compiling took two thirds of a monitoring query of 90 ms, on a server that was built with LLVM.
OUR_SESSIONS = {"idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s", "jit": "off"}


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


class DatabaseManager:
    """A named database: engine, pool, transactions, and a read replica when one is configured.

    Safe across fork: a child never uses its parent's connections, but opens its own.
    """

    def __init__(
        self,
        name: str = DEFAULT_DATABASE,
        settings: DatabaseSettings | None = None,
        application_name: str = "",
        session_settings: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.settings = settings or load_database_settings(name)
        self.application_name = application_name or "queue_store"
        self.session_settings = OUR_SESSIONS | dict(session_settings or {})
        self._engines: dict[str, Engine] = {}
        self._async_engine: AsyncEngine | None = None
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"DatabaseManager({self.name!r})"

    @property
    def engine(self) -> Engine:
        return self._engine("primary", self.settings.url)

    @property
    def async_engine(self) -> "AsyncEngine":
        """For one event loop: its connections belong to the loop that opened them."""
        from sqlalchemy.ext.asyncio import create_async_engine

        if self._async_engine is None or self._pid != os.getpid():
            self._async_engine = create_async_engine(
                self.settings.url, **self._engine_options(self.settings.url)
            )
        return self._async_engine

    @property
    def replica_engine(self) -> Engine:
        """For monitoring reads; the primary where no replica is configured."""
        if self.settings.replica_url is None:
            return self.engine
        return self._engine("replica", self.settings.replica_url)

    @contextmanager
    def hold(self, *, replica: bool = False) -> Generator[HeldConnection]:
        """Raises DatabaseUnavailableError."""
        engine = self.replica_engine if replica else self.engine
        try:
            connection = engine.connect()
        except (psycopg.OperationalError, sqlalchemy.exc.OperationalError) as error:
            raise unavailable(engine.url, error) from None
        except sqlalchemy.exc.TimeoutError:
            raise DatabaseUnavailableError(
                f"all {self.pool_capacity} connections of this process to {self.name} are in use: "
                "raise POOL_SIZE or MAX_OVERFLOW, or use fewer threads"
            ) from None
        try:
            yield HeldConnection(connection)
        finally:
            with suppress(Exception):
                connection.close()

    @contextmanager
    def transaction(self, *, replica: bool = False) -> Generator[Cursor[Any]]:
        with self.hold(replica=replica) as held, held.transaction() as cursor:
            yield cursor

    @property
    def pool_capacity(self) -> int:
        return self.settings.pool_size + self.settings.max_overflow

    @property
    def pool_in_use(self) -> int:
        pool = self.engine.pool
        return int(getattr(pool, "checkedout", lambda: 0)())

    async def dispose_async(self) -> None:
        """On the event loop that used the asynchronous engine."""
        if self._async_engine is not None:
            await self._async_engine.dispose(close=self._pid == os.getpid())
            self._async_engine = None

    def dispose(self) -> None:
        for engine in self._engines.values():
            engine.dispose(close=self._pid == os.getpid())
        self._engines.clear()

    def _engine(self, role: str, url: URL) -> Engine:
        if self._pid != os.getpid():
            self.dispose()
            self._pid = os.getpid()
        if role not in self._engines:
            engine = self._engines[role] = create_engine(url, **self._engine_options(url))
            if not self.settings.pgbouncer:
                refuse_unnamed_pooler(engine, self.name)
        return self._engines[role]

    def _engine_options(self, url: URL) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "application_name": self.application_name,
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        }
        query = dict(url.query)
        if self.settings.pgbouncer:  # refuses options: there the login role has to have its timeouts
            arguments["prepare_threshold"] = None
        else:
            ours = " ".join(f"-c {name}={value}" for name, value in self.session_settings.items())
            query["options"] = f"{ours} {query.get('options', '')}".strip()  # what comes last wins
        return {
            "pool_size": self.settings.pool_size,
            "max_overflow": self.settings.max_overflow,
            "pool_pre_ping": True,
            "pool_timeout": 10,
            "connect_args": arguments | query | {"client_encoding": "UTF8"},
        }

"""The one door to a database: its pools and transactions."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy.exc
from psycopg import Cursor
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL

from queue_store.database.driver_errors import unavailable
from queue_store.database.held_connection import HeldConnection
from queue_store.database.pooler import refuse_unnamed_pooler
from queue_store.errors import DatabaseUnavailableError
from queue_store.settings import DEFAULT_DATABASE, DatabaseSettings, load_database_settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

CONNECT_TIMEOUT_SECONDS = 5
IDLE_IN_TRANSACTION_SECONDS = 300
# Compiling took two thirds of a monitoring query of 90 ms, on a server that was built with LLVM.
OUR_SESSIONS = {"idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s", "jit": "off"}


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
            "pool_use_lifo": True,  # the session that has the statements prepared
            "connect_args": arguments | query | {"client_encoding": "UTF8"},
        }

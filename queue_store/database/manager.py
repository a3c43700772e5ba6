"""The pools, transactions and engines for access to a database."""

import os
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import psycopg
from psycopg import Cursor

from queue_store.database.connection_pool import ConnectionPool, Driver, PoolExhaustedError
from queue_store.database.driver_errors import cause_of, database_errors, unavailable
from queue_store.database.held_connection import HeldConnection
from queue_store.database.pooler import refuse_unnamed_pooler
from queue_store.database_url import DatabaseUrl
from queue_store.errors import DatabaseUnavailableError
from queue_store.settings import DEFAULT_DATABASE, DatabaseSettings, load_database_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

PRIMARY, REPLICA = "primary", "replica"
CONNECT_TIMEOUT_SECONDS = 5
IDLE_IN_TRANSACTION_SECONDS = 300
# JIT compilation is off: on a server built with LLVM, it took two thirds of the 90 ms of a monitoring query.
OUR_SESSIONS = {"idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s", "jit": "off"}


_managers: "WeakSet[DatabaseManager]" = WeakSet()


class DatabaseManager:
    """A named database: its pool of connections, transactions, and a read replica when one is configured.

    Safe across fork: a child never uses its parent's connections, but opens its own. Imports SQLAlchemy only for
    callers that ask for an engine or pass `with_sqlalchemy=True`.
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
        self._looked_at: set[str] = set()  # servers that were checked for a pooler in front of them
        self.begin_anew()
        _managers.add(self)

    def __repr__(self) -> str:
        return f"DatabaseManager({self.name!r})"

    @property
    def engine(self) -> "Engine":
        """SQLAlchemy's engine, which borrows its connections from this manager's pool."""
        return self._engine(PRIMARY)

    @property
    def replica_engine(self) -> "Engine":
        """The engine for monitoring reads: on the replica if one is configured, otherwise on the primary."""
        return self._engine(REPLICA if self.settings.replica_url else PRIMARY)

    @property
    def async_engine(self) -> "AsyncEngine":
        """Use this engine on one event loop only: its connections belong to the loop that opened them."""
        from sqlalchemy.ext.asyncio import create_async_engine

        if self._async_engine is None:
            self._async_engine = create_async_engine(
                self.settings.url.render_as_string(hide_password=False),
                pool_size=self.settings.pool_size,
                max_overflow=self.settings.max_overflow,
                pool_pre_ping=True,
                pool_timeout=10,
                connect_args=self._session_parameters(self.settings.url),
            )
        return self._async_engine

    @contextmanager
    def hold(self, *, replica: bool = False, with_sqlalchemy: bool = False) -> Generator[HeldConnection]:
        """Lends a connection from the pool. `with_sqlalchemy`: for callers that use the attribute `sqlalchemy` of
        the connection. Raises DatabaseUnavailableError."""
        server = REPLICA if replica and self.settings.replica_url else PRIMARY
        try:
            held = self._open(server, with_sqlalchemy=with_sqlalchemy)
        except PoolExhaustedError:
            raise DatabaseUnavailableError(
                f"all {self.pool_capacity} connections of this process to {self.name} are in use: "
                "raise POOL_SIZE or MAX_OVERFLOW, or use fewer threads"
            ) from None
        except database_errors() as error:
            if not isinstance(cause_of(error), psycopg.OperationalError):
                raise
            raise unavailable(self._url(server), error) from None
        try:
            yield held
        finally:
            with suppress(Exception):
                held.close()

    @contextmanager
    def transaction(self, *, replica: bool = False) -> Generator[Cursor[Any]]:
        with self.hold(replica=replica) as held, held.transaction() as cursor:
            yield cursor

    @property
    def pool_capacity(self) -> int:
        return self.settings.pool_size + self.settings.max_overflow

    @property
    def pool_in_use(self) -> int:
        return self._pool(PRIMARY).in_use

    async def dispose_async(self) -> None:
        """Call this on the event loop that used the asynchronous engine."""
        if self._async_engine is not None:
            await self._async_engine.dispose()
            self._async_engine = None

    def dispose(self) -> None:
        """Close idle connections now, and the others when they are given back."""
        with self._lock:
            for pool in self._pools.values():
                pool.dispose()
            self._pools.clear()
            self._engines.clear()

    def begin_anew(self) -> None:
        """Every child calls this after a fork. This method sends nothing to the server, because the connections belong
        to the parent. This method also makes new locks, because a thread of the parent may have held the old ones."""
        self._lock = threading.RLock()
        self._pools: dict[str, ConnectionPool] = {}
        self._engines: dict[str, Engine] = {}
        self._async_engine: AsyncEngine | None = None

    def _url(self, server: str) -> DatabaseUrl:
        return (self.settings.replica_url if server == REPLICA else None) or self.settings.url

    def _open(self, server: str, *, with_sqlalchemy: bool) -> HeldConnection:
        pool, url = self._pool(server), self._url(server)
        if not with_sqlalchemy:
            return HeldConnection(pool, url)
        from queue_store.database.held_with_sqlalchemy import HeldWithSqlalchemy

        return HeldWithSqlalchemy(self._engine(server), pool, url)

    def _pool(self, server: str) -> ConnectionPool:
        with self._lock:
            if server not in self._pools:
                self._pools[server] = ConnectionPool(
                    lambda: self._connect(server), size=self.settings.pool_size, capacity=self.pool_capacity
                )
            return self._pools[server]

    def _engine(self, server: str) -> "Engine":
        from queue_store.database.sqlalchemy_engine import engine_over

        with self._lock:
            pool = self._pool(server)
            if server not in self._engines:
                self._engines[server] = engine_over(pool, self._url(server))
            return self._engines[server]

    def _connect(self, server: str) -> Driver:
        url = self._url(server)
        connection: Driver = psycopg.connect(**url.driver_parameters() | self._session_parameters(url))
        if not self.settings.pgbouncer and server not in self._looked_at:
            refuse_unnamed_pooler(connection, self.name)
            self._looked_at.add(server)
        return connection

    def _session_parameters(self, url: DatabaseUrl) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "application_name": self.application_name,
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        }
        query = dict(url.query)
        if self.settings.pgbouncer:  # PgBouncer refuses options, so the login role must set the timeouts
            parameters["prepare_threshold"] = None
        else:
            ours = " ".join(f"-c {name}={value}" for name, value in self.session_settings.items())
            query["options"] = f"{ours} {query.get('options', '')}".strip()  # the URL's options override ours
        return parameters | query | {"client_encoding": "UTF8"}


def _begin_anew_in_child() -> None:
    for manager in list(_managers):
        manager.begin_anew()


os.register_at_fork(after_in_child=_begin_anew_in_child)

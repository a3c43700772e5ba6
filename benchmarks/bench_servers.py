"""The embedded servers for a session of benchmarks. Postgres keeps its own defaults, which are durable."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.server_cpu import server_cpu_seconds
from queue_store.database import schema
from queue_store.database.manager import DatabaseManager
from queue_store.settings import DatabaseSettings, parse_database_url
from tasks.embedded.postgres import EmbeddedPostgres
from tasks.embedded.programs import postgres_programs
from tasks.embedded.redis import EmbeddedRedis

DATABASE = "rpa_db"
# No setting here gives up durability for speed. Tracking the planning of statements would cost a few percent, both for
# our workers and for pgbench.
SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_planning": "off",
    "max_connections": "200",
}


@dataclass(frozen=True)
class BenchServers:
    """Running servers. `directory` holds logs and files of this session."""

    directory: Path
    programs: Path
    url: str
    broker_url: str
    postgres_pid: int

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url, autocommit=True, **options)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "DATABASE_URL": self.url, "CELERY_BROKER_URL": self.broker_url}

    def cpu_seconds(self) -> float:
        return server_cpu_seconds(self.postgres_pid)

    def with_another_database(self, name: str) -> "BenchServers":
        """Creates and migrates a second database on the same server. The hints for the new database go to another
        Redis database."""
        self.connect().execute(f"CREATE DATABASE {name}".encode()).connection.close()
        url = self.url.replace(f"/{DATABASE}?", f"/{name}?")
        _migrate(url)
        return replace(self, url=url, broker_url=self.broker_url.removesuffix("/0") + "/1")


@contextmanager
def running_servers() -> Iterator[BenchServers]:
    """Starts the servers. At the end, also after an error, stops the servers and removes their files."""
    directory = Path(tempfile.mkdtemp(prefix="pq-bench-", dir=os.environ.get("BENCH_DIRECTORY")))
    directory.chmod(0o711)
    postgres = EmbeddedPostgres(directory, settings=SETTINGS)
    broker = EmbeddedRedis(directory)
    try:
        postgres.start()
        broker.start()
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}".encode())
        url = postgres.url(DATABASE)
        _migrate(url)
        programs = postgres_programs(None)
        yield BenchServers(directory, programs, url, broker.url(), postgres.process.pid)
    finally:
        broker.stop()
        postgres.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _migrate(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
    manager = DatabaseManager(settings=DatabaseSettings(url=parse_database_url(url)))
    schema.migrate(manager.engine)
    manager.dispose()

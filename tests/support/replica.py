"""A primary server and its replica, for tests that read from the replica or promote it."""

import select
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Cursor

from queue_store.database import schema
from queue_store.database.manager import DatabaseManager
from queue_store.settings import DatabaseSettings, parse_database_url
from tasks.embedded.places import server_user
from tasks.embedded.postgres import EmbeddedPostgres
from tests.chaos.proxy import Proxy
from tests.support.servers import FAST_SETTINGS, connect, reachable_directory
from tests.workers.processes import wait_until

SETTINGS = FAST_SETTINGS | {"shared_buffers": "16MB", "max_connections": "40", "hot_standby_feedback": "on",
                            "wal_receiver_status_interval": "1s"}  # fmt: skip
CANCELS_READINGS = {"hot_standby_feedback": "off", "max_standby_streaming_delay": "0"}
REMOVED_ROWS = (
    "CREATE TABLE IF NOT EXISTS removed (id int)", "INSERT INTO removed VALUES (1)", "DELETE FROM removed",
    "VACUUM removed",
)  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """Both servers have the migrated database. The replica has no replication slot. By default it reports its oldest
    snapshot to the primary (hot_standby_feedback). Everything that the replica receives from the primary passes through
    the proxy `link`."""

    primary: EmbeddedPostgres
    replica: EmbeddedPostgres
    link: Proxy

    def settings(self) -> dict[str, str]:
        name = "DEVELOPMENT_GLOBAL_RPA_DB_REPLICA_URL"
        return {"DATABASE_URL": self.primary.url(), name: self.replica.url()}

    def database(self) -> DatabaseManager:
        replica_url = parse_database_url(self.replica.url())
        return DatabaseManager(
            settings=DatabaseSettings(parse_database_url(self.primary.url()), replica_url, pool_size=2)
        )

    def hold_back(self) -> None:
        """Makes the replica replay nothing from now on."""
        self._on_replica("SELECT pg_wal_replay_pause()")
        wait_until(
            lambda: self._on_replica("SELECT pg_get_wal_replay_pause_state()") == "paused",
            "a pause of replay",
        )

    def go_on(self) -> None:
        """Makes the replica replay again, and waits until it has replayed everything that has been written so far."""
        written = self._on(self.primary, "SELECT pg_current_wal_insert_lsn()::text")
        self._on_replica("SELECT pg_wal_replay_resume()")
        wait_until(
            lambda: bool(self._on_replica(f"SELECT pg_last_wal_replay_lsn() >= '{written}'")), "the replica"
        )

    def remove_rows(self) -> None:
        """Deletes and vacuums rows on the primary. A replica with CANCELS_READINGS then cancels every reading whose
        snapshot is older than the deletion."""
        with psycopg.connect(self.primary.url(), autocommit=True) as connection:
            for statement in REMOVED_ROWS:
                connection.execute(statement.encode())

    def end_reading(self, cursor: Cursor[Any]) -> None:
        """Makes a replica with CANCELS_READINGS end this cursor's session, and waits until the session has ended."""
        cursor.execute("DECLARE held CURSOR FOR SELECT FROM pg_class")  # holds a snapshot
        self.remove_rows()
        assert select.select([cursor.connection.fileno()], [], [], 20)[0], "the replica ended no reading"

    def promote(self) -> None:
        self._on_replica("SELECT pg_promote()")

    def crash(self) -> None:
        """Ends the primary at once. Changes that the primary had not sent to the replica are lost."""
        self.primary.process.send_signal(signal.SIGQUIT)
        self.primary.process.wait(20)
        self.link.cut()

    def _on_replica(self, statement: str) -> object:
        return self._on(self.replica, statement)

    def _on(self, server: EmbeddedPostgres, statement: str) -> object:
        database = connect(server.url())
        with database.transaction() as cursor:
            row = cursor.execute(statement.encode()).fetchone()
        database.dispose()
        return row[0] if row else None


@contextmanager
def on_ports(pair: Pair) -> Iterator[dict[str, int]]:
    """Yields a TCP port for each of the two servers, for URLs that name both."""
    with ExitStack() as stack:
        ports: dict[str, int] = {}
        for name, server in (("primary", pair.primary), ("standby", pair.replica)):
            proxy = proxy_before(server)
            stack.callback(proxy.stop)
            ports[name] = proxy.port
        yield ports


@contextmanager
def running_pair(
    primary_settings: Mapping[str, str] | None = None, replica_settings: Mapping[str, str] | None = None
) -> Iterator[Pair]:
    """The replica begins as a copy of the stopped primary's files. Its name is `standby`. `primary_settings`:
    additional settings with which the primary starts again, just before the replica starts. `replica_settings`:
    additional settings of the replica."""
    with reachable_directory() as directory, ExitStack() as stack:
        primary = EmbeddedPostgres(directory / "primary", settings=SETTINGS)
        stack.callback(primary.stop)
        primary.start()
        database = connect(primary.url())
        schema.migrate(database.engine)
        database.dispose()
        primary.stop()
        replica = EmbeddedPostgres(directory / "replica", settings=SETTINGS | dict(replica_settings or {}))
        stack.callback(replica.stop)
        _copy(primary.data_directory, replica.data_directory)
        primary.settings.update(primary_settings or {})
        primary.start()
        (directory / "primary").chmod(0o711)
        link = proxy_before(primary)
        stack.callback(link.stop)
        replica.settings["primary_conninfo"] = (
            f"host=127.0.0.1 port={link.port} user=postgres application_name=standby"
        )
        replica.start()
        pair = Pair(primary, replica, link)
        pair.go_on()
        yield pair


def proxy_before(server: EmbeddedPostgres) -> Proxy:
    proxy = Proxy(Path(str(server.socket_directory), ".s.PGSQL.5432"))
    proxy.start()
    return proxy


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target)
    (target / "standby.signal").touch()
    user = server_user()
    if user is not None:
        for path in (target, *target.rglob("*")):
            shutil.chown(path, user.uid, user.gid)

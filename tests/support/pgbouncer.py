"""A real PgBouncer in transaction mode, in front of an embedded Postgres."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from tasks.embedded.child_process import start_child, stop_tied
from tasks.embedded.places import server_user
from tasks.embedded.redis import free_port
from tests.workers.processes import wait_until

# `make test-pgbouncer` sets this variable. If the variable is set, the suite reaches every database through PgBouncer.
THROUGH_PGBOUNCER = bool(os.environ.get("TEST_THROUGH_PGBOUNCER"))
SETTING = "DEVELOPMENT_GLOBAL_RPA_DB_PGBOUNCER"
direct_only = pytest.mark.skipif(
    THROUGH_PGBOUNCER, reason="needs a server session of its own for each connection"
)
PLACES = "/usr/sbin:/usr/local/sbin"
MISSING = "pgbouncer is not there: apt-get install pgbouncer, or on macOS brew install pgbouncer"

# With round robin, two transactions of one client seldom run in the same session of the server.
SETTINGS = {
    "listen_addr": "127.0.0.1",
    "unix_socket_dir": "",
    "auth_type": "any",
    "pool_mode": "transaction",
    "server_round_robin": "1",
    "default_pool_size": "20",
    "max_client_conn": "1000",
    "admin_users": "postgres",
}


class PgBouncer:
    """A PgBouncer in front of one server, on a port of 127.0.0.1. It logs every client in as the user of
    `server_url`."""

    def __init__(self, program: str, directory: Path, server_url: str, settings: dict[str, str]) -> None:
        self.port = free_port()
        self.log = directory / "pgbouncer.log"
        self._program = program
        self._url = make_url(server_url)
        host = self._url.query.get("host") or self._url.host
        server = f"host={host} port={self._url.port or 5432} user={self._url.username}"
        lines = [f"{name} = {value}" for name, value in (SETTINGS | settings).items()]
        self._configuration = directory / "pgbouncer.ini"
        self._configuration.write_text(
            "\n".join(
                ["[databases]", f"* = {server}", "[pgbouncer]", *lines, f"listen_port = {self.port}", ""]
            )
        )
        self._configuration.chmod(0o644)

    def start(self) -> None:
        command = [self._program, self._configuration]
        self._process = start_child(command, log=self.log, death_signal=signal.SIGINT, user=server_user())
        wait_until(self._answers, "PgBouncer", self.log)

    def stop(self) -> None:
        stop_tied(self._process, first=signal.SIGINT, bound_seconds=10)

    def url(self, database: str | None = None) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database or self._url.database}"

    def command(self, command: str) -> list[tuple[object, ...]]:
        """Executes a command of PgBouncer's console, such as SHOW POOLS, PAUSE, RESUME or KILL."""
        with psycopg.connect(
            self.url("pgbouncer"), autocommit=True, cursor_factory=psycopg.ClientCursor
        ) as console:
            cursor = console.execute(command.encode())
            return cursor.fetchall() if cursor.description else []

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        try:
            self.command("SHOW VERSION")
        except psycopg.OperationalError:
            return False
        return True


def program() -> str | None:
    """Returns the path of pgbouncer, or None. Also looks in directories that only root has in PATH, because Debian
    installs pgbouncer there."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path=PLACES)


@contextmanager
def running_pgbouncer(directory: Path, server_url: str, **settings: str) -> Iterator[PgBouncer]:
    """If PgBouncer is missing, skips the test, or ends the suite if all tests must go through PgBouncer."""
    found = program()
    if found is None:
        if THROUGH_PGBOUNCER:
            pytest.exit(MISSING, returncode=1)
        pytest.skip(MISSING)
    bouncer = PgBouncer(found, directory, server_url, settings)
    bouncer.start()
    try:
        yield bouncer
    finally:
        bouncer.stop()

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psutil

from .child_process import ServerUser, start_child, stop_tied
from .errors import EmbeddedServerError
from .log_end import end_of_log
from .places import can_reach, server_user
from .programs import postgres_programs

PORT = 5432
SOCKET_PATH_LIMIT_BYTES = 100
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")
STATUS_LINE = 7
START_BOUND_SECONDS = 120.0
STOP_BOUND_SECONDS = 30.0


class EmbeddedPostgres:
    """A Postgres server for one data directory. Clients reach the server through a Unix socket, in a directory that
    only one user may enter.

    The server ends when this process ends, even if this process is killed. The next start recovers the data.
    """

    def __init__(
        self, directory: Path, *, settings: Mapping[str, str] | None = None, programs: Path | None = None
    ) -> None:
        self.directory = directory.absolute()
        self.data_directory = self.directory / "postgres"
        self.log = self.directory / "postgres.log"
        self.settings = {"listen_addresses": "", **(settings or {})}
        self._user = server_user()
        self.programs = programs or postgres_programs(self._user)
        self._process: subprocess.Popen[bytes] | None = None
        self.socket_directory: Path | None = None
        self._socket_directory_is_temporary = False

    def start(self) -> None:
        """Create the data directory if there is none, start the server and wait until it accepts connections."""
        self._prepare_directory()
        self._clear_an_earlier_server()
        if not (self.data_directory / "PG_VERSION").exists():
            self._initialise()
        self._check_the_version()
        if self.socket_directory is None:
            self.socket_directory = self._choose_socket_directory()
        self._process = self._launch(self.socket_directory)
        self._wait_until_ready(self._process)

    def stop(self) -> None:
        """Stop the server properly. SIGINT asks Postgres for a fast shutdown."""
        if self._process is not None:
            stop_tied(self._process, first=signal.SIGINT, bound_seconds=STOP_BOUND_SECONDS)
            self._process = None
        if self.socket_directory is not None and self._socket_directory_is_temporary:
            shutil.rmtree(self.socket_directory, ignore_errors=True)
        self.socket_directory = None

    def url(self, database: str = "postgres") -> str:
        """The URL that psql, psycopg and SQLAlchemy understand."""
        return f"postgresql://postgres@/{quote(database)}?host={self.socket_directory}"

    @property
    def is_running(self) -> bool:
        """False before `start`, after `stop`, and when the server has ended on its own."""
        return self._process is not None and self._process.poll() is None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise EmbeddedServerError("The embedded Postgres has not been started.")
        return self._process

    def _prepare_directory(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.data_directory.mkdir(mode=0o700, exist_ok=True)
        self._refuse_another_users_data()
        if self._user is None:
            return
        if not can_reach(self._user, self.data_directory):
            raise EmbeddedServerError(
                f"The server runs as {self._user.name}, who cannot enter {self.directory}. "
                "Choose a data directory whose parent directories every user may enter."
            )
        _give(self.data_directory, self._user)

    def _refuse_another_users_data(self) -> None:
        owner = self.data_directory.stat().st_uid
        own = os.geteuid() if self._user is None else self._user.uid
        if owner != own and any(self.data_directory.iterdir()):
            raise EmbeddedServerError(
                f"{self.data_directory} belongs to the user with the id {owner}. Run this command as that user, "
                f"or remove {self.directory} to begin again."
            )

    def _clear_an_earlier_server(self) -> None:
        pid_file = self.data_directory / "postmaster.pid"
        lines = _lines_of(pid_file)
        if not lines:
            return
        earlier = self._earlier_server(int(lines[0]))
        if earlier is not None:
            _end(earlier)
        # If the pid in this file belongs to another program by now, Postgres would refuse to start. So the file is
        # removed.
        pid_file.unlink(missing_ok=True)

    def _earlier_server(self, pid: int) -> psutil.Process | None:
        try:
            process = psutil.Process(pid)
            return process if str(self.data_directory) in process.cmdline() else None
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            return None

    def _initialise(self) -> None:
        for child in self.data_directory.iterdir():
            shutil.rmtree(child) if child.is_dir() else child.unlink()
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        command = [self.programs / "initdb", "--pgdata", self.data_directory, *options]
        process = start_child(command, log=self.log, user=self._user, directory=self.data_directory)
        if process.wait() != 0:
            raise self._failure("initdb could not make the data directory")

    def _check_the_version(self) -> None:
        stored = (self.data_directory / "PG_VERSION").read_text().strip()
        answer = subprocess.run(
            [self.programs / "postgres", "-V"], capture_output=True, text=True, check=True
        )
        found = re.search(r"\d+", answer.stdout)
        if found is None or found.group() != stored:
            raise EmbeddedServerError(
                f"{self.data_directory} was made by Postgres {stored}, and the server here is "
                f"{answer.stdout.strip()}. Use the old version, or remove {self.directory} to begin again."
            )

    def _choose_socket_directory(self) -> Path:
        wanted = self.directory / "socket"
        path_bytes = len(bytes(wanted / f".s.PGSQL.{PORT}.lock"))
        fits = path_bytes <= SOCKET_PATH_LIMIT_BYTES and PLAIN_PATH.fullmatch(str(wanted)) is not None
        self._socket_directory_is_temporary = not fits
        if fits:
            wanted.mkdir(exist_ok=True)
        else:
            wanted = Path(tempfile.mkdtemp(prefix="pq-", dir="/tmp"))
        wanted.chmod(0o700)
        if self._user is not None:
            _give(wanted, self._user)
        return wanted

    def _launch(self, socket_directory: Path) -> subprocess.Popen[bytes]:
        settings = {**self.settings, "port": str(PORT), "unix_socket_directories": str(socket_directory)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return start_child(
            [self.programs / "postgres", "-D", self.data_directory, *options],
            log=self.log,
            death_signal=signal.SIGINT,
            user=self._user,
            directory=self.data_directory,
        )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_BOUND_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            lines = _lines_of(self.data_directory / "postmaster.pid")
            if lines and lines[0] == str(process.pid) and lines[STATUS_LINE:] == ["ready"]:
                return
            time.sleep(0.02)
        ended = process.poll() is not None
        self.stop()
        raise self._failure("it ended while starting" if ended else "it was not ready in time")

    def _failure(self, reason: str) -> EmbeddedServerError:
        return EmbeddedServerError(
            f"The embedded Postgres could not be started: {reason}. {end_of_log(self.log)}"
        )


def _lines_of(pid_file: Path) -> list[str]:
    try:
        return [line.strip() for line in pid_file.read_text().splitlines()]
    except FileNotFoundError:
        return []


def _end(server: psutil.Process) -> None:
    try:
        server.send_signal(signal.SIGINT)
        server.wait(STOP_BOUND_SECONDS)
    except psutil.NoSuchProcess:
        return
    except psutil.TimeoutExpired:
        server.kill()
        server.wait()


def _give(directory: Path, user: ServerUser) -> None:
    shutil.chown(directory, user.uid, user.gid)

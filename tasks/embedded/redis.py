import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .child_process import start_child, stop_tied
from .errors import EmbeddedServerError
from .log_end import end_of_log
from .places import can_reach, server_user
from .programs import redis_program

START_ATTEMPTS = 5
START_BOUND_SECONDS = 20.0
STOP_BOUND_SECONDS = 10.0


class EmbeddedRedis:
    """A Valkey or Redis server on a free port of 127.0.0.1. The server has a password of its own, and keeps nothing
    on disk."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.log = self.directory / "redis.log"
        self.port = 0
        self._password = secrets.token_urlsafe(24)
        self._user = server_user()
        self._program = redis_program(self._user)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server on a free port and wait until it answers. If another program took the port first, try
        another port."""
        working_directory = self._prepare_directory()
        for attempt in range(START_ATTEMPTS):
            # A restart keeps the port that the clients know, if that port is still free.
            self.port = self.port if self.port and attempt == 0 else free_port()
            self._process = self._launch(working_directory)
            if self._answers(self._process):
                return
            self.stop()
        raise EmbeddedServerError(
            f"The embedded broker, {self._program}, could not be started. {end_of_log(self.log)}"
        )

    def stop(self) -> None:
        """Stop the server, which has nothing to save."""
        if self._process is not None:
            stop_tied(self._process, first=signal.SIGTERM, bound_seconds=STOP_BOUND_SECONDS)
            self._process = None

    def url(self, database: int = 0) -> str:
        """The URL that Celery and redis-cli understand; it contains the password."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/{database}"

    @property
    def is_running(self) -> bool:
        """False if the server was not started, or has ended on its own."""
        return self._process is not None and self._process.poll() is None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise EmbeddedServerError("The embedded Redis has not been started.")
        return self._process

    def _prepare_directory(self) -> Path:
        working_directory = self.directory / "redis"
        working_directory.mkdir(parents=True, mode=0o700, exist_ok=True)
        if self._user is not None:
            if not can_reach(self._user, working_directory):
                raise EmbeddedServerError(
                    f"The server runs as {self._user.name}, who cannot enter {self.directory}. "
                    "Choose a data directory whose parent directories every user may enter."
                )
            shutil.chown(working_directory, self._user.uid, self._user.gid)
        return working_directory

    def _launch(self, working_directory: Path) -> subprocess.Popen[bytes]:
        configuration = f"""
            bind 127.0.0.1
            port {self.port}
            requirepass {self._password}
            save ""
            appendonly no
            maxmemory-policy noeviction
        """
        # The configuration goes through stdin, because it contains the password, and any user can read a process's
        # arguments.
        return start_child(
            [self._program, "-"],
            log=self.log,
            user=self._user,
            directory=working_directory,
            stdin=configuration.encode(),
        )

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + START_BOUND_SECONDS
        with redis.Redis.from_url(self.url(), socket_timeout=2.0, retry=Retry(NoBackoff(), 0)) as client:
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    return bool(client.ping())
                except redis.RedisError:
                    time.sleep(0.02)
        return False


def free_port(first: int | None = None) -> int:
    """A TCP port of 127.0.0.1 that nobody listens on. With `first`: the first free port from that number on."""
    candidates = [0] if first is None else range(first, first + 100)
    for port in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise EmbeddedServerError(f"No TCP port from {first} to {(first or 0) + 99} is free on 127.0.0.1.")

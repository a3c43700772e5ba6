"""Runs the commands of a deployment that a document shows: exported settings, and processes that run until they are
stopped."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from queue_store.database.manager import DatabaseManager
from tasks.embedded.redis import free_port
from tasks.embedded.supervisor import answers_http
from tests.support.documents import CodeBlock
from tests.workers.processes import wait_until

READY_SECONDS = 90
STOP_SECONDS = 40
SERVED = "SELECT 1 FROM worker_processes WHERE %(queue)s = ANY(celery_queues) AND started_at >= %(since)s"
BEATS = "SELECT 1 FROM beats WHERE started_at >= %(since)s"


def is_deployment(block: CodeBlock) -> bool:
    return block.language == "text" and "\ncelery -A processing_queue " in block.code


def program(line: str, scripts: Path = Path(sys.executable).parent) -> list[str]:
    script, *arguments = shlex.split(line)
    return [str(scripts / script), *arguments]


class Deployment:
    """Runs commands in a directory that has the modules of the flows, like the reader's directory. Uses the servers
    of the tests."""

    def __init__(
        self,
        database: DatabaseManager,
        environment: dict[str, str],
        directory: Path,
        scripts: Path = Path(sys.executable).parent,
    ) -> None:
        self._database = database
        self._scripts = scripts
        self._port = free_port(20_000 + os.getpid() % 10_000)
        self._environment = environment | {"FLOWER_PORT": str(self._port)}
        self._directory = directory
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, block: CodeBlock, use: Callable[[], None] = lambda: None) -> None:
        """Runs every line, waits until all processes are ready, and calls `use`. Then stops the processes, which must
        end with code 0."""
        since = database_time(self._database)
        try:
            for line in block.code.strip().splitlines():
                self._line(line)
            for line in self._processes:
                wait_until(
                    lambda line=line: self._is_ready(line, since), line, self._log(line), READY_SECONDS
                )
            use()
            self._stop()
        finally:
            for process in self._processes.values():
                process.kill()
                process.wait(30)

    def _line(self, line: str) -> None:
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            self._environment.setdefault(name, value)
        elif line.startswith("queuectl "):
            command = program(line, self._scripts)
            subprocess.run(command, env=self._environment, cwd=self._directory, check=True, timeout=60)
        else:
            assert line.startswith("celery -A processing_queue "), line
            self._processes[line] = self._start(line)

    def _start(self, line: str) -> subprocess.Popen[bytes]:
        with self._log(line).open("wb") as output:
            return subprocess.Popen(
                program(line, self._scripts),
                env=self._environment,
                cwd=self._directory,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _is_ready(self, line: str, since: object) -> bool:
        assert self._processes[line].poll() is None, f"{line} ended: {self._log(line).read_text()}"
        _, _, _, command, *options = line.split()
        if command == "flower":
            return answers_http(f"http://127.0.0.1:{self._port}/healthcheck")
        query, queue = (BEATS, None) if command == "beat" else (SERVED, options[1])
        with self._database.transaction() as cursor:
            return cursor.execute(query.encode(), {"queue": queue, "since": since}).fetchone() is not None

    def _stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        codes = {line: process.wait(STOP_SECONDS) for line, process in self._processes.items()}
        assert set(codes.values()) <= {0}, codes

    def _log(self, line: str) -> Path:
        return self._directory / f"{'-'.join(line.split()[3:6])}.log"


def database_time(database: DatabaseManager) -> object:
    with database.transaction() as cursor:
        row = cursor.execute("SELECT clock_timestamp()").fetchone()
    return row[0] if row else None

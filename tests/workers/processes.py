"""Real Celery processes for tests: connected to the test servers, watched through their logs, ended by pid."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
READY_SECONDS = 60.0
FLOWS = "tests.workers.flows_under_test"
WORKER_OPTIONS = ("--without-mingle", "--without-gossip", "--loglevel=INFO")
# `make test-spawn` sets this variable to `spawn`.
START_METHOD = os.environ.get("TEST_POOL_START_METHOD")
START_OPTIONS = (f"--pool-start-method={START_METHOD}",) if START_METHOD else ()
# Counts the registered pool children. Until a flow is registered, the count is 0, so that tests send no hint too early:
# it would find nothing to claim.
REGISTERED = "SELECT count(*) FROM worker_processes WHERE ended_at IS NULL AND EXISTS (SELECT FROM flows)"
# The record whose handler runs, as the heartbeat reports it. If a pool child dies before it runs a handler, no record
# is charged.
IN_HAND = (
    "SELECT in_hand_record_id FROM worker_processes WHERE in_hand_record_id IS NOT NULL AND state = 'running'"
)


class CeleryProcess:
    """One `celery -A …` process of this application in a process group of its own."""

    def __init__(
        self, arguments: list[str], environment: dict[str, str], log: Path, checkout: Path = ROOT
    ) -> None:
        self.log = log
        application = "processing_queue" if checkout == ROOT else "tasks"
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", application, *arguments],
                cwd=checkout, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self.popen.pid

    def children(self) -> list[int]:
        """The pids of the pool children, without the process that tracks semaphores for spawned children."""
        return [child.pid for child in psutil.Process(self.pid).children() if not _tracks_semaphores(child)]

    def wait_for_log(self, text: str) -> None:
        wait_until(lambda: text in self.log.read_text(), f"{text!r} in the log of pid {self.pid}:", self.log)

    def terminate(self, timeout_seconds: float = 30) -> int:
        """A warm shutdown. Returns the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(timeout_seconds)

    def kill(self) -> None:
        """Sends SIGKILL to the process and its pool children, as when a container is killed."""
        for pid in [*self.children(), self.pid] if self.popen.poll() is None else []:
            _kill(pid)
        self.popen.wait(30)


@contextmanager
def running_worker(
    environment: dict[str, str],
    log: Path,
    *,
    queues: str = "flows",
    concurrency: int = 2,
    flows: str = FLOWS,
    settings: dict[str, str] | None = None,
    options: tuple[str, ...] = START_OPTIONS,
    checkout: Path = ROOT,
) -> Iterator[CeleryProcess]:
    """Yields a worker that is ready. The names in `settings` have no prefix: for example, LEASE_SECONDS. `checkout`:
    the directory of the build to start."""
    process = CeleryProcess(
        ["worker", "-Q", queues, f"--concurrency={concurrency}", *WORKER_OPTIONS, *options],
        environment | with_prefix({"FLOW_MODULES": flows} | (settings or {})),
        log,
        checkout,
    )
    try:
        process.wait_for_log(" ready.")
        yield process
    finally:
        process.kill()


@contextmanager
def running_beat(
    environment: dict[str, str], log: Path, settings: dict[str, str] | None = None
) -> Iterator[CeleryProcess]:
    process = CeleryProcess(
        ["beat", "--schedule", str(log.with_suffix(".schedule")), "--loglevel=INFO"],
        environment | with_prefix(settings or {}),
        log,
    )
    try:
        yield process
    finally:
        process.kill()


def with_prefix(settings: dict[str, str]) -> dict[str, str]:
    return {f"DEVELOPMENT_DISTRIBUTED_PROCESSOR_{name}": value for name, value in settings.items()}


def wait_until(
    condition: Callable[[], bool], what: str, log: Path | None = None, timeout_seconds: float = READY_SECONDS
) -> float:
    """Returns how many seconds the condition took to become true."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > timeout_seconds:
            shown = log.read_text()[-6000:] if log else ""
            raise AssertionError(f"waited {timeout_seconds} s in vain for {what}\n{shown}")
        time.sleep(0.01)
    return time.monotonic() - started


def _tracks_semaphores(child: psutil.Process) -> bool:
    try:
        return "semaphore_tracker" in " ".join(child.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)

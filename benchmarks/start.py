"""Measures how much CPU a start costs: `make bench-start` (TIMES=5).

Compares our worker with a plain Celery worker, from the start until the worker is ready. Both workers have two pool
children. The measurement of our worker also waits until both children are registered. Measures `queuectl migrate` on a
database that is up to date. Compares read-only commands with the imports that they cannot avoid. Prints medians. Each
comparison gives a ratio, which depends little on the machine. The exit code is 1 if a figure is above its bound.
"""

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from benchmarks.bench_servers import BenchServers, running_servers

WORKER_RATIO = 1.5
COMMAND_RATIO = 1.3
MIGRATE_SECONDS = 0.5
# Read-only commands, each with the imports that it cannot avoid. `schedule` needs Celery's classes for schedules.
READERS = {
    "status": "import click, psycopg",
    "failures": "import click, psycopg",
    "schedule": "import click, psycopg, celery.schedules, kombu.entity",
}
PROCESSES = 2
BOUND_SECONDS = 60.0
OPTIONS = (f"--concurrency={PROCESSES}", "--without-mingle", "--without-gossip", "--loglevel=INFO")


def main() -> int:
    times = int(os.environ.get("TIMES", "5"))
    with running_servers() as servers:
        rounds = [measure(servers, number) for number in range(times + 1)][1:]  # the first round fills caches
    plain, ours, migrate, *of_readers = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"plain Celery worker   {plain:.2f} s of CPU until ready")
    print(
        f"worker of ours        {ours:.2f} s, {ours / plain:.2f} times as much; the bound is {WORKER_RATIO:g}"
    )
    print(f"queuectl migrate      {migrate:.2f} s with nothing to do; the bound is {MIGRATE_SECONDS:g} s")
    ratios = [command / libraries for libraries, command in batched(of_readers)]
    for name, ratio, (libraries, command) in zip(READERS, ratios, batched(of_readers), strict=True):
        print(
            f"queuectl {name:<13}{command:.2f} s, {ratio:.2f} times its imports, which took {libraries:.2f} s; "
            f"the bound is {COMMAND_RATIO:g}"
        )
    is_met = ours / plain <= WORKER_RATIO and migrate <= MIGRATE_SECONDS and max(ratios) <= COMMAND_RATIO
    return 0 if is_met else 1


def measure(servers: BenchServers, number: int) -> list[float]:
    figures = [
        worker_seconds(servers, "benchmarks.plain_celery_app", f"plain{number}", lambda: True),
        worker_seconds(servers, "processing_queue", f"ours{number}", lambda: registered(servers)),
        command_seconds(servers, [queuectl(), "migrate"]),
    ]
    for name, imports in READERS.items():
        figures.append(command_seconds(servers, [sys.executable, "-c", imports]))
        figures.append(command_seconds(servers, [queuectl(), name]))
    return figures


def batched(figures: Sequence[float]) -> list[tuple[float, float]]:
    """Returns pairs of CPU seconds: those of the imports, and those of the command."""
    return list(zip(figures[::2], figures[1::2], strict=True))


def queuectl() -> str:
    return str(Path(sys.executable).with_name("queuectl"))


def worker_seconds(servers: BenchServers, app: str, name: str, is_ready: Callable[[], bool]) -> float:
    log = servers.directory / f"{name}.log"
    command = [sys.executable, "-m", "celery", "-A", app, "worker", "-n", f"{name}@%h", *OPTIONS]
    with log.open("wb") as output:
        worker = subprocess.Popen(command, env=servers.environment, stdout=output, stderr=output)
    try:
        wait_until(lambda: " ready." in log.read_text() and is_ready(), log)
        main_process = psutil.Process(worker.pid)
        return sum(cpu_seconds(process) for process in [main_process, *main_process.children(recursive=True)])
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(BOUND_SECONDS)


def registered(servers: BenchServers) -> bool:
    with servers.connect() as connection:
        alive = "SELECT count(*) FROM worker_processes WHERE state = 'running'"
        return connection.execute(alive).fetchone() == (PROCESSES,)


def command_seconds(servers: BenchServers, arguments: list[str]) -> float:
    command = subprocess.Popen(arguments, env=servers.environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(command.pid, 0)
    command.returncode = os.waitstatus_to_exitcode(status)
    assert command.returncode == 0
    return usage.ru_utime + usage.ru_stime


def cpu_seconds(process: psutil.Process) -> float:
    used = process.cpu_times()
    return used.user + used.system


def wait_until(is_true: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + BOUND_SECONDS
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ready in {BOUND_SECONDS:.0f} s:\n{log.read_text()[-2000:]}")
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main())

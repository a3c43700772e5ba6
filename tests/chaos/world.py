"""All real processes of a chaos run, on this machine, and the means to inject faults into them."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
import redis

from queue_store.counts import rollups
from queue_store.database import schema
from queue_store.liveness.rescue import Rescue
from queue_store.queue_schema import celery_queue_name
from queue_store.settings import ProcessorSettings
from tasks.embedded.postgres import EmbeddedPostgres
from tasks.embedded.redis import EmbeddedRedis
from tests.chaos import ledger
from tests.chaos.clock import SHIM, Clock
from tests.chaos.neighbour import State, settle
from tests.chaos.producer import BATCH_SIZE
from tests.chaos.proxy import Proxy
from tests.chaos.recovery import IN_HAND, Mark, Marks
from tests.chaos.switch import SWITCH
from tests.support.pgbouncer import PgBouncer, running_pgbouncer
from tests.support.schemas import SEARCH_PATH
from tests.support.servers import connect
from tests.workers.processes import ROOT, CeleryProcess, wait_until, with_prefix

# Killing processes cannot test fsync, because the kernel survives and keeps what was written.
POSTGRES_SETTINGS = {
    "fsync": "off",
    "max_connections": "70",
    "shared_buffers": "128MB",
    "max_wal_size": "4GB",
    "log_line_prefix": "%a|%p|",  # read by tests/chaos/innocents.py
    **SEARCH_PATH,
}
# docs/performance.md advises these settings. While Postgres is unreachable, waiting statements soon fail, and PgBouncer
# soon tries again to log in.
PGBOUNCER_SETTINGS = {"default_pool_size": "40", "query_wait_timeout": "10", "server_login_retry": "1"}
LEASE_SECONDS = 2.0
WORKER_SETTINGS = {
    "FLOW_MODULES": "tests.chaos.flows_under_chaos",
    "HEARTBEAT_SECONDS": "0.5",
    "LEASE_SECONDS": str(LEASE_SECONDS),
    "IDLE_POLL_SECONDS": "1",
    "FAN_OUT_SECONDS": "1",
    "TIME_SLICE_SECONDS": "5",
    "MAX_CRASH_STRIKES": "1000",
}
HINTS_BOUND = 250
WORKER_COUNT = 2
QUEUES = [celery_queue_name("flows"), celery_queue_name("control")]
CHILDREN = 2


IDLE_IN_TRANSACTION = """
SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%%'
    AND datname = current_database() AND state_change < clock_timestamp() - interval '30 seconds'
"""
UP = """
SELECT pid FROM worker_processes WHERE state = 'running' AND heartbeat_at > clock_timestamp() - interval '3 seconds'
"""
BACKLOG = "SELECT count(*) FROM (SELECT FROM processing_queue WHERE status = 'pending' LIMIT 50000) waiting"


@dataclass
class World:
    directory: Path
    batches_per_second: float
    seed: int
    has_pgbouncer: bool = False
    is_express: bool = False
    most_hints: int = 0
    most_idle_in_transaction: int = 0
    killed_children: int = 0
    backlog: int = 0
    workers_up: int = 0
    unexpected_ends: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.neighbour: State = []
        self.rng = random.Random(self.seed)
        self.postgres = EmbeddedPostgres(self.directory / "postgres", settings=POSTGRES_SETTINGS)
        self.redis = EmbeddedRedis(self.directory / "redis")
        self.redis.port = _quiet_port()
        self.workers: list[CeleryProcess] = []
        self.beats: list[CeleryProcess] = []
        self.producers: dict[int, subprocess.Popen[bytes]] = {}
        self.producer_logs: dict[int, Path] = {}
        self.ended_producers: list[str] = []
        self.journals: list[Path] = []
        self.calls = self.directory / "calls"
        self.pgbouncer: PgBouncer | None = None
        self.ended_by_faults: set[int] = set()
        self.postgres_crashed_at: list[float] = []
        self.leaving: list[CeleryProcess] = []
        self.clocks: list[Clock] = []
        self.marks = Marks()
        self.marked: Mark | None = None
        self._read: dict[Path, tuple[int, int]] = {}
        self._observer: psycopg.Connection[Any] | None = None
        self._broker: redis.Redis | None = None
        self._stack = ExitStack()
        self._number = 0
        self.replayed: list[Any] = []

    def start(self) -> None:
        self.directory.joinpath("postgres").mkdir(mode=0o711)
        self.directory.joinpath("redis").mkdir(mode=0o711)
        self.postgres.start()
        self._stack.callback(self.postgres.stop)
        self.redis.start()
        self._stack.callback(self.redis.stop)
        self.neighbour = settle(self.postgres.url())
        manager = connect(self.postgres.url())
        schema.migrate(manager.engine)
        manager.dispose()
        with psycopg.connect(self.postgres.url()) as connection:
            ledger.prepare(connection)
        self.proxy = Proxy(self._start_pgbouncer() if self.has_pgbouncer else self._socket())
        self.proxy.start()
        self._stack.callback(self.proxy.stop)
        for number in range(WORKER_COUNT):
            self.clocks.append(Clock(self.directory / f"clock-{number}"))
            self.workers.append(self.new_worker(number))
        for _ in range(2):
            self.beats.append(self.new_beat())
        wait_until(
            lambda: self._registered_count() == WORKER_COUNT * CHILDREN, "the workers", self.workers[0].log
        )

    def _socket(self) -> Path:
        return Path(str(self.postgres.socket_directory), ".s.PGSQL.5432")

    def _start_pgbouncer(self) -> Path:
        """Starts the PgBouncer that all processes except the observer use. Returns its Unix socket."""
        directory = self.directory / "postgres"
        settings = PGBOUNCER_SETTINGS | {"unix_socket_dir": str(self.postgres.socket_directory)}
        self.pgbouncer = self._stack.enter_context(
            running_pgbouncer(directory, self.postgres.url(), **settings)
        )
        return self._socket().with_name(f".s.PGSQL.{self.pgbouncer.port}")

    def _registered_count(self) -> int:
        return int(self.query("SELECT count(*) FROM worker_processes")[0][0])

    def stop(self) -> None:
        for producer in self.producers.values():
            producer.kill()
            producer.wait()
        for process in [*self.beats, *self.workers, *self.leaving]:
            for child in [process.pid, *self.pool_children(process)]:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGCONT)
            process.kill()
        if self._observer is not None:
            self._observer.close()
        if self._broker is not None:
            self._broker.close()
        self._stack.close()

    def url(self, number: int) -> str:
        """Every second worker reaches Postgres through the proxy."""
        if number % 2:
            return f"postgresql://postgres@127.0.0.1:{self.proxy.port}/postgres"
        return self.server_url

    @property
    def server_url(self) -> str:
        return self.pgbouncer.url() if self.pgbouncer else self.postgres.url()

    def new_worker(self, number: int) -> CeleryProcess:
        arguments = [
            "worker",
            "-Q",
            "flows,control",
            f"--concurrency={CHILDREN}",
            f"--hostname=worker{number}@chaos",
        ]
        options = ["--without-mingle", "--without-gossip", "--loglevel=WARNING"]
        clock = {"PYTHONPATH": str(SHIM), "CHAOS_CLOCK": str(self.clocks[number].path)}
        environment = self._environment(self.url(number)) | clock
        return CeleryProcess([*arguments, *options], environment, self._log("worker"))

    def new_beat(self) -> CeleryProcess:
        log = self._log("beat")
        arguments = ["beat", "--schedule", str(log.with_suffix(".schedule")), "--loglevel=WARNING"]
        return CeleryProcess(arguments, self._environment(self.server_url), log)

    def new_producer(self, number: int) -> None:
        """If a producer with this number ran before, the new producer is its successor."""
        journal = self.directory / f"journal-{number}-{self._next()}"
        journal.touch()
        self.journals.append(journal)
        arguments = [self.server_url, journal, journal.name, self.batches_per_second]
        self.producer_logs[number] = self._log("producer")
        with self.producer_logs[number].open("ab") as output:
            self.producers[number] = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.producer", *map(str, arguments)],
                cwd=ROOT,
                env={**os.environ, **self._environment(self.server_url)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def query(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Runs a query on the observer's connection, which no fault targets. Does not retry. Raises
        psycopg.OperationalError if Postgres does not answer."""
        if self._observer is None or self._observer.closed:
            self._observer = psycopg.connect(
                self.postgres.url(), autocommit=True, application_name="observer", connect_timeout=3
            )
        return self._observer.execute(statement.encode(), parameters).fetchall()

    def query_again(self, statement: str) -> list[tuple[Any, ...]]:
        """Runs a query, and repeats it until Postgres answers, for example after a fault. Gives up after 30 s."""
        deadline = time.monotonic() + 30
        while True:
            try:
                return self.query(statement)
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    @property
    def broker(self) -> redis.Redis:
        if self._broker is None:
            self._broker = redis.Redis.from_url(self.redis.url(), socket_timeout=0.5)
        return self._broker

    def pool_children(self, worker: CeleryProcess) -> list[int]:
        with suppress(psutil.NoSuchProcess):
            return worker.children()
        return []

    def proxied_children(self) -> list[int]:
        return [pid for worker in self.workers[1::2] for pid in [worker.pid, *self.pool_children(worker)]]

    def mark(self, pids: list[int] | None = None) -> None:
        """Remembers the records that the processes `pids` have in flight. If `pids` is None, remembers the records
        of all processes. Called just before a fault."""
        self.marked = Mark.now(self.query(IN_HAND, {"pids": pids}))

    def observe(self) -> None:
        """Looks at hints, the backlog, idle sessions and workers, and restarts processes that ended by themselves.
        Called twice a second."""
        with suppress(psycopg.OperationalError):
            [(self.backlog,)] = self.query(BACKLOG)
            up = {pid for (pid,) in self.query(UP)}
            self.workers_up = sum(not up.isdisjoint(self.pool_children(worker)) for worker in self.workers)
            [(idle,)] = self.query(IDLE_IN_TRANSACTION)
            self.most_idle_in_transaction = max(self.most_idle_in_transaction, idle)
        with suppress(redis.RedisError):
            self.most_hints = max(self.most_hints, sum(map(self.broker.llen, QUEUES)))  # type: ignore[arg-type]
        self._revive()

    def hold_producers(self, held: bool) -> None:
        if held:
            (self.directory / "hold").touch()
        else:
            (self.directory / "hold").unlink(missing_ok=True)

    def stop_producers(self) -> None:
        (self.directory / "stop").touch()
        for producer in self.producers.values():
            with suppress(subprocess.TimeoutExpired):
                producer.wait(15)
            producer.kill()
            producer.wait()

    def acknowledged_count(self) -> int:
        """The number of acknowledged records, according to the producers' journals."""
        for journal in self.journals:
            position, count = self._read.get(journal, (0, 0))
            with journal.open("rb") as lines:
                lines.seek(position)
                new = lines.read()
            self._read[journal] = (position + len(new), count + new.count(b'{"acknowledged"'))
        return BATCH_SIZE * sum(count for _, count in self._read.values())

    def mend_servers(self) -> None:
        """Restarts a server that ended, as a supervisor would."""
        if not self.postgres.is_running:
            self.unexpected_ends.append("Postgres")
            self.postgres_crashed_at.append(time.time())
            self.postgres.start()
        if not self.redis.is_running:
            self.unexpected_ends.append("Redis")
            self.redis.start()

    def _revive(self) -> None:
        for number, worker in enumerate(self.workers):
            if worker.popen.poll() is not None:
                self.unexpected_ends.append(f"worker: {_last_words(worker)}")
                self.workers[number] = self.new_worker(number)
        for number, beat in enumerate(self.beats):
            if beat.popen.poll() is not None:
                self.unexpected_ends.append(f"beat: {_last_words(beat)}")
                self.beats[number] = self.new_beat()
        for number, producer in self.producers.items():
            if producer.poll() is not None and not (self.directory / "stop").exists():
                self.ended_producers.append(_last_line(self.producer_logs[number]))
                self.new_producer(number)

    def unfinished_count(self) -> int:
        with suppress(psycopg.OperationalError):
            [(count,)] = self.query(
                "SELECT count(*) FROM processing_queue WHERE status IN ('pending', 'processing')"
            )
            return int(count)
        return -1

    def shut_down(self) -> None:
        """Ends all processes cleanly. Then repeats rescue until no run or process counts as alive."""
        for process in [*self.beats, *self.workers]:
            try:
                process.terminate(60)
            except subprocess.TimeoutExpired:
                self.unexpected_ends.append(f"did not end within 60 s of SIGTERM: {_last_words(process)}")
                process.kill()
        manager = connect(self.postgres.url())
        deadline = time.monotonic() + 30
        rescue = Rescue(manager, ProcessorSettings(heartbeat_seconds=0.5, lease_seconds=LEASE_SECONDS))
        while time.monotonic() < deadline and self._alive_count():
            rescue.sweep()
            time.sleep(0.2)
        rollups.fold(manager)
        manager.dispose()

    def _alive_count(self) -> int:
        [(count,)] = self.query(
            "SELECT (SELECT count(*) FROM flow_execution_logs WHERE settled_at IS NULL)"
            " + (SELECT count(*) FROM worker_processes WHERE ended_at IS NULL)"
        )
        return int(count)

    def _environment(self, database_url: str) -> dict[str, str]:
        pool = {"POOL_SIZE": "2", "MAX_OVERFLOW": "4", "PGBOUNCER": str(self.has_pgbouncer).lower()}
        return (
            {**os.environ, "DATABASE_URL": database_url, "CELERY_BROKER_URL": self.redis.url()}
            | {"CHAOS_CALLS": str(self.calls), SWITCH: str(self.is_express).lower()}
            | with_prefix(WORKER_SETTINGS | {"EXPRESS_BY_ITSELF": str(self.is_express).lower()})
            | {f"DEVELOPMENT_GLOBAL_RPA_DB_{name}": value for name, value in pool.items()}
        )

    def _log(self, name: str) -> Path:
        return self.directory / f"{name}-{self._next()}.log"

    def _next(self) -> int:
        self._number += 1
        return self._number


def _quiet_port() -> int:
    """Returns a port below the range for outgoing connections, so that no process takes the port while Redis is
    down."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port


def _last_words(process: CeleryProcess) -> str:
    return f"exit code {process.popen.returncode}, {_last_line(process.log)}"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    said = [line for line in lines if line.strip()]
    return said[-1][:200] if said else "silent"

"""Readings of the worker processes, and of the runs that are alive."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor

from queue_store.database.rows import rows_as
from queue_store.database.statements import sql
from queue_store.settings import ProcessorSettings

RECENT_DEATH_SECONDS = 3600.0
GONE_LIMIT = 2000  # the largest number of silent and dead processes that are read


@dataclass(frozen=True, slots=True)
class WorkerProcessReading:
    """`clock_skew_seconds`: by how much the clock of the process's host is ahead of the database's clock. None before
    the first measurement."""

    worker_process_id: UUID
    worker_id: UUID
    hostname: str
    pid: int
    state: str
    started_at: datetime
    silent_seconds: float
    flow_names: list[str]
    celery_queues: list[str]
    versions: dict[str, str]
    pool_capacity: int
    pool_in_use: int
    cpu_percent: float | None
    memory_bytes: int | None
    memory_limit_bytes: int | None
    processor_count: int | None
    is_alive: bool
    in_hand_record_id: int | None = None
    in_hand_flow_name: str | None = None
    in_hand_since: datetime | None = None
    clock_skew_seconds: float | None = None

    @property
    def processors_percent(self) -> float | None:
        """The CPU use as a percentage of all processors that the process may use; `cpu_percent` is relative to one
        processor."""
        if self.cpu_percent is None:
            return None
        return round(self.cpu_percent / (self.processor_count or 1), 1)

    @property
    def memory_percent(self) -> float | None:
        if self.memory_bytes is None or not self.memory_limit_bytes:
            return None
        return round(100 * self.memory_bytes / self.memory_limit_bytes, 1)


@dataclass(frozen=True, slots=True)
class RunsAlive:
    flow_name: str
    run_count: int
    oldest_started_at: datetime
    records_claimed: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """The worker processes, including those that fell silent or died in the last hour, and the runs by flow. Every
    living process is included, but at most GONE_LIMIT others."""

    processes: list[WorkerProcessReading]
    runs: list[RunsAlive]

    @property
    def alive(self) -> list[WorkerProcessReading]:
        return [process for process in self.processes if process.is_alive]

    @property
    def served_flows(self) -> set[str]:
        return {name for process in self.alive for name in process.flow_names}

    @property
    def pool_in_use(self) -> int:
        return sum(process.pool_in_use for process in self.alive)

    @property
    def pool_capacity(self) -> int:
        return sum(process.pool_capacity for process in self.alive)

    @property
    def pool_utilization_percent(self) -> float | None:
        """Connections in use, as a share of the connections that all living worker processes together may open; None
        without such processes."""
        if not self.pool_capacity:
            return None
        return round(100 * self.pool_in_use / self.pool_capacity, 1)


def read_fleet(cursor: Cursor[Any], settings: ProcessorSettings) -> Fleet:
    parameters = {
        "lease_seconds": settings.lease_seconds,
        "seconds": RECENT_DEATH_SECONDS,
        "gone_limit": GONE_LIMIT,
    }
    return Fleet(
        rows_as(cursor.execute(sql("readings/worker_processes"), parameters), WorkerProcessReading),
        read_runs_alive(cursor),
    )


def read_runs_alive(cursor: Cursor[Any]) -> list[RunsAlive]:
    return rows_as(cursor.execute(sql("readings/runs_alive")), RunsAlive)

"""The runs: those that are alive, and the newest that are over."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor

from queue_store.database.rows import rows_as
from queue_store.database.statements import sql

RUNS_AT_MOST = 100


@dataclass(frozen=True, slots=True)
class RunRow:
    flow_instance_id: UUID
    flow_name: str
    state: str
    hostname: str | None
    pid: int | None
    started_at: datetime
    heartbeat_at: datetime
    finished_at: datetime | None
    batch_count: int
    records_claimed: int
    records_completed: int
    records_retried: int
    records_failed: int
    records_released: int
    records_refused: int
    error_message: str | None


@dataclass(frozen=True, slots=True)
class RunOfProcess:
    worker_process_id: UUID
    flow_instance_id: UUID
    flow_name: str
    started_at: datetime


def read_runs_of_processes(cursor: Cursor[Any]) -> list[RunOfProcess]:
    """The runs that are alive."""
    return rows_as(cursor.execute(sql("readings/runs_of_processes")), RunOfProcess)


def read_runs(cursor: Cursor[Any], limit: int = RUNS_AT_MOST) -> list[RunRow]:
    """The living runs, beginning with the oldest, then the runs that are over, beginning with the newest."""
    return rows_as(cursor.execute(sql("readings/runs"), {"limit": limit}), RunRow)

"""Finds, through an index, records of a run, records of a worker, and records with a kind of error."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor

from queue_store.database.rows import rows_as
from queue_store.database.statements import sql

RUNS_AT_MOST = 1_000
RECORDS_AT_MOST = 5_000


@dataclass(frozen=True, slots=True)
class WorkerFilter:
    """Selects one process by its id, all processes of a host, or the processes of a host that have one pid."""

    worker_process_id: UUID | None = None
    hostname: str | None = None
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class SearchedRun:
    """`finished_at` is None while the run is alive."""

    flow_instance_id: UUID
    finished_at: datetime | None


def find_runs(cursor: Cursor[Any], run_id: UUID | None, worker: WorkerFilter | None) -> list[SearchedRun]:
    """The run with this id, or the newest RUNS_AT_MOST runs of the worker. If both a run and a worker are given,
    returns the run only if it is one of the worker's newest RUNS_AT_MOST runs."""
    if worker is None:
        return _runs(cursor, run_id, WorkerFilter())
    found = _runs(cursor, None, worker)
    return [run for run in found if run_id in (None, run.flow_instance_id)]


def record_ids_of_runs(cursor: Cursor[Any], run_ids: Sequence[UUID]) -> list[int]:
    """The newest RECORDS_AT_MOST records that are processing under these runs now, and the newest RECORDS_AT_MOST
    records that these runs attempted without success."""
    parameters = {"run_ids": list(run_ids), "limit": RECORDS_AT_MOST}
    return _ids(cursor, "readings/record_ids_of_runs", parameters)


def record_ids_of_group(
    cursor: Cursor[Any], error_group: str, flow_name: str | None, limit: int = RECORDS_AT_MOST
) -> list[int]:
    """The record ids of the newest `limit` attempts that ended with this kind of error; an id may appear more
    than once."""
    parameters = {"error_group": error_group, "flow_name": flow_name, "limit": limit}
    return _ids(cursor, "readings/record_ids_of_group", parameters)


def _runs(cursor: Cursor[Any], run_id: UUID | None, worker: WorkerFilter) -> list[SearchedRun]:
    parameters = {
        "run_id": run_id,
        "worker_process_id": worker.worker_process_id,
        "hostname": worker.hostname,
        "pid": worker.pid,
        "limit": RUNS_AT_MOST,
    }
    return rows_as(cursor.execute(sql("readings/runs_searched"), parameters, prepare=False), SearchedRun)


def _ids(cursor: Cursor[Any], statement: str, parameters: dict[str, Any]) -> list[int]:
    # The statement is not prepared, because one plan for all statuses cannot use the partial indexes.
    return [row[0] for row in cursor.execute(sql(statement), parameters, prepare=False).fetchall()]

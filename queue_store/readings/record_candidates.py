"""Finds, through an index, records of a run, records of a worker, records with a kind of error, and the ids of records
that were created within a range of dates."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor

from queue_store.database.rows import rows_as
from queue_store.database.statements import sql

RUNS_AT_MOST = 1_000
RECORDS_AT_MOST = 5_000
MAXIMUM_ID = 2**63 - 1
NEARBY = 10_000


@dataclass(frozen=True, slots=True)
class WorkerFilter:
    """Selects one process by its id, all processes of a host, or the processes of a host that have a given pid."""

    worker_process_id: UUID | None = None
    hostname: str | None = None
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class SearchedRun:
    """`finished_at` is None while the run is alive."""

    flow_instance_id: UUID
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunCandidates:
    """`finished_at`: when the last of the runs ended, or None while one of them is alive. `record_ids`: the newest
    RECORDS_AT_MOST records that are processing under these runs now, and the newest RECORDS_AT_MOST records that these
    runs attempted without success. `is_capped`: whether a record of the wanted status may be missing, because there are
    more runs, attempts or processing records than the limits allow."""

    run_ids: list[UUID]
    finished_at: datetime | None
    record_ids: list[int]
    is_capped: bool


def candidates_of_runs(
    cursor: Cursor[Any], run_id: UUID | None, worker: WorkerFilter | None, status: str | None
) -> RunCandidates:
    """Returns the candidates for a search by run or by worker. A search by worker covers only the worker's newest
    RUNS_AT_MOST runs. If both a run and a worker are given, the run must also be one of the worker's newest
    RUNS_AT_MOST runs."""
    found = _runs(cursor, run_id if worker is None else None, worker or WorkerFilter())
    runs = [run for run in found[:RUNS_AT_MOST] if run_id in (None, run.flow_instance_id)]
    lacks_runs = len(found) > RUNS_AT_MOST and not (run_id and runs)
    run_ids = [run.flow_instance_id for run in runs]
    ends = [run.finished_at for run in runs if run.finished_at is not None]
    finished_at = max(ends) if runs and len(ends) == len(runs) else None
    parameters = {"run_ids": run_ids, "limit": RECORDS_AT_MOST + 1}
    rows = cursor.execute(sql("readings/record_ids_of_runs"), parameters, prepare=False).fetchall()
    processing, attempted = (
        sorted((record_id for record_id, is_attempt in rows if is_attempt is kind), reverse=True)
        for kind in (False, True)
    )
    # A search by a status other than `processing` needs no processing records. A search without a status also reads the
    # table, and finds the remaining processing records there.
    lacks_records = len(attempted) > RECORDS_AT_MOST or (
        status == "processing" and len(processing) > RECORDS_AT_MOST
    )
    ids = {*processing[:RECORDS_AT_MOST], *attempted[:RECORDS_AT_MOST]}
    return RunCandidates(run_ids, finished_at, list(ids), lacks_runs or lacks_records)


def record_ids_of_group(
    cursor: Cursor[Any], error_group: str, flow_name: str | None, limit: int
) -> list[int]:
    """The record ids of the newest `limit` attempts that ended with this kind of error; an id may appear more
    than once."""
    parameters = {"error_group": error_group, "flow_name": flow_name, "limit": limit}
    return _ids(cursor, "readings/record_ids_of_group", parameters)


def ids_within(
    cursor: Cursor[Any], created_from: datetime | None, created_before: datetime | None
) -> tuple[int, int]:
    """The lowest id to read, and the id before which to stop, for the records of these dates. Ids are only roughly in
    the order of creation. So the range also covers records of these dates that are up to NEARBY ids away from the
    others."""
    if created_from is None and created_before is None:
        return 0, MAXIMUM_ID
    dates = {"created_from": created_from, "created_before": created_before}
    ids = {
        "from_id": 0 if created_from is None else first_id_since(cursor, created_from),
        "before_id": MAXIMUM_ID if created_before is None else first_id_since(cursor, created_before),
    }
    parameters = dates | ids | {"near": NEARBY}
    row = cursor.execute(sql("readings/ids_near_dates"), parameters, prepare=False).fetchone()
    assert row is not None
    return row


def first_id_since(cursor: Cursor[Any], instant: datetime) -> int:
    """Returns an id such that records from this id on were created at `instant` or later. The result is right only if
    ids are in the order of creation, because the search is binary."""
    row = cursor.execute(sql("readings/id_range")).fetchone()
    lowest, highest = row or (0, 0)
    low, high = lowest, highest + 1
    while low < high:
        middle = (low + high) // 2
        found = cursor.execute(sql("readings/record_at_or_after"), {"id": middle}).fetchone()
        if found is None or found[1] >= instant:
            high = middle
        else:
            low = found[0] + 1
    return low


def _runs(cursor: Cursor[Any], run_id: UUID | None, worker: WorkerFilter) -> list[SearchedRun]:
    parameters = {
        "run_id": run_id,
        "worker_process_id": worker.worker_process_id,
        "hostname": worker.hostname,
        "pid": worker.pid,
        "limit": RUNS_AT_MOST + 1,
    }
    return rows_as(cursor.execute(sql("readings/runs_searched"), parameters, prepare=False), SearchedRun)


def _ids(cursor: Cursor[Any], statement: str, parameters: dict[str, Any]) -> list[int]:
    # The statement is not prepared, because one plan for all statuses cannot use the partial indexes.
    return [row[0] for row in cursor.execute(sql(statement), parameters, prepare=False).fetchall()]

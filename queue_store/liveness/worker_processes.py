"""The worker processes: their liveness, the records that they work on, and operators' requests to end handlers."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg import Cursor
from psycopg.types.json import Jsonb

from queue_store.database.idle_in_transaction import limit_idle_in_transaction
from queue_store.database.rows import row_as, rows_as
from queue_store.database.statements import sql
from queue_store.runs.run import RunCounts

CLOCK_ANSWER_SECONDS = 1.0  # slower answers are not used, so the measured skew is off by at most half of this


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """One pool child, which gets its `worker_process_id` at its start. All children of one worker have the same
    `worker_id`."""

    worker_id: UUID
    hostname: str
    pid: int
    flow_names: Sequence[str] = ()
    celery_queues: Sequence[str] = ()
    versions: dict[str, str] = field(default_factory=dict[str, str])
    pool_capacity: int = 0
    memory_limit_bytes: int | None = None
    processor_count: int | None = None
    worker_process_id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True)
class InHand:
    """The record that a process works on, and how many seconds the handler has run."""

    record_id: int
    claim_number: int
    seconds: float
    flow_name: str
    flow_instance_id: UUID


_NOTHING: dict[str, object] = {f.name: None for f in fields(InHand)}


@dataclass(frozen=True, slots=True)
class EndRequest:
    """An operator's request to end the handler that a process runs for a record. The request applies to one claim of
    the record. All fields are None if there is no request."""

    record_id: int | None
    claim_number: int | None
    requested_by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class ProcessToEnd:
    """`record_id`: the record whose handler an operator wants to end."""

    worker_process_id: UUID
    pid: int
    record_id: int
    requested_by: str


def register(cursor: Cursor[Any], process: WorkerProcess) -> None:
    cursor.execute(
        sql("liveness/register_worker_process"),
        {
            "worker_process_id": process.worker_process_id,
            "worker_id": process.worker_id,
            "hostname": process.hostname,
            "pid": process.pid,
            "flow_names": list(process.flow_names),
            "celery_queues": list(process.celery_queues),
            "versions": Jsonb(process.versions),
            "pool_capacity": process.pool_capacity,
            "memory_limit_bytes": process.memory_limit_bytes,
            "processor_count": process.processor_count,
        },
    )


def beat(
    cursor: Cursor[Any],
    worker_process_id: UUID,
    *,
    pool_in_use: int = 0,
    cpu_percent: float | None = None,
    memory_bytes: int | None = None,
    clock_skew_seconds: float | None = None,
    in_hand: InHand | None = None,
) -> EndRequest | None:
    """Returns None if this process was declared dead, which is final. The process must then stop its run, and register
    under a new `worker_process_id`."""
    parameters: dict[str, object] = {
        "worker_process_id": worker_process_id,
        "pool_in_use": pool_in_use,
        "cpu_percent": cpu_percent,
        "memory_bytes": memory_bytes,
        "clock_skew_seconds": clock_skew_seconds,
    }
    parameters |= _NOTHING if in_hand is None else asdict(in_hand)
    return row_as(cursor.execute(sql("liveness/beat_worker_process"), parameters), EndRequest)


def drop_end_request(cursor: Cursor[Any], worker_process_id: UUID, request: EndRequest) -> None:
    """Remove a request that reached this process too late. A newer request stays."""
    parameters = {
        "worker_process_id": worker_process_id,
        "record_id": request.record_id,
        "claim_number": request.claim_number,
    }
    cursor.execute(sql("liveness/drop_end_request"), parameters)


def read_end_requests(cursor: Cursor[Any], worker_process_ids: Sequence[UUID]) -> list[ProcessToEnd]:
    """Returns the processes that were asked to end a handler. A request names a record and a claim of the record. If
    this claim is over, the request is left out."""
    parameters = {"worker_process_ids": list(worker_process_ids)}
    return rows_as(cursor.execute(sql("liveness/end_requests"), parameters), ProcessToEnd)


def clock_skew_seconds(cursor: Cursor[Any]) -> float | None:
    """How far this host's clock is ahead of the database's; None if the answer took too long for a comparison."""
    asked_at, asked = time.time(), time.monotonic()
    database_at = float(cursor.execute(sql("liveness/database_clock")).fetchall()[0][0])
    took_seconds = time.monotonic() - asked
    return asked_at + took_seconds / 2 - database_at if took_seconds < CLOCK_ANSWER_SECONDS else None


@dataclass(frozen=True, slots=True)
class RunNews:
    """The answer to the heartbeat of a run."""

    cancelled_ids: list[int]
    flow_is_open: bool
    batch_size: int


def beat_run(cursor: Cursor[Any], flow_instance_id: UUID, counts: RunCounts) -> RunNews | None:
    """Returns None if the run was declared dead and must stop."""
    parameters = {"flow_instance_id": flow_instance_id} | counts.parameters()
    return row_as(cursor.execute(sql("runs/beat_run"), parameters), RunNews)


def stop(cursor: Cursor[Any], worker_process_id: UUID) -> None:
    """Mark the process and its run as stopping, for example for a deploy. If the process dies after this call, its
    death does not count as a crash. Idempotent."""
    cursor.execute(sql("liveness/stop_worker_process"), {"worker_process_id": worker_process_id})


def end(cursor: Cursor[Any], worker_process_id: UUID) -> None:
    cursor.execute(sql("liveness/end_worker_process"), {"worker_process_id": worker_process_id})


def server_identity(cursor: Cursor[Any]) -> str:
    """A text that changes when the server restarts or another server takes over."""
    row = cursor.execute(sql("liveness/server_identity")).fetchone()
    return str(row[0]) if row else ""


def take_sentinel_lease(cursor: Cursor[Any], worker_process_id: UUID, lease_seconds: float) -> bool:
    """Takes or renews the lease of the sentinel. Returns True if this process holds the lease now.

    Call this at the beginning of a transaction. The transaction locks the row of `beat_leader`, which Celery beat
    needs, too. So this function first limits how long the transaction may be idle."""
    limit_idle_in_transaction(cursor)
    parameters = {"worker_process_id": worker_process_id, "lease_seconds": lease_seconds}
    return cursor.execute(sql("liveness/take_sentinel_lease"), parameters).fetchone() is not None


def processes_by_queue(cursor: Cursor[Any], since: datetime) -> Counter[str]:
    """For each Celery queue, the number of running worker processes that started at `since` or later."""
    return Counter(dict(cursor.execute(sql("liveness/processes_by_queue"), {"since": since}).fetchall()))

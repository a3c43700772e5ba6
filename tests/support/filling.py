"""Inserts rows of every kind. A test can backdate rows instead of waiting."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from psycopg import Cursor
from psycopg.types.json import Jsonb

from queue_store.database.manager import DatabaseManager
from tests.support.restoring import restore_rows

SHORT_LEASE = {
    "DEVELOPMENT_DISTRIBUTED_PROCESSOR_LEASE_SECONDS": "0.5",
    "DEVELOPMENT_DISTRIBUTED_PROCESSOR_HEARTBEAT_SECONDS": "0.1",
}
"""No process counts as silent until Postgres has been up for one lease. With this short lease, tests need not wait
long."""


def alive() -> datetime:
    """A heartbeat time in the future, so that the sender counts as alive, however long the test takes."""
    return datetime.now(UTC) + timedelta(hours=1)


def add_flow(database: DatabaseManager, flow_name: str = "alpha", **columns: Any) -> None:
    values = {"celery_queue": "celery", "batch_size": 100, "max_retries": 3, "orphan_timeout_seconds": 60.0}
    _insert(database, "flows", {"flow_name": flow_name, **values, **columns})


def add_records(database: DatabaseManager, count: int, flow_name: str = "alpha", **columns: Any) -> None:
    """The records are pending unless `columns` say otherwise. With `age_seconds`, all pending records of the flow
    became due that long ago."""
    age_seconds = columns.pop("age_seconds", 0)
    with database.transaction() as cursor:
        restore_rows(cursor)
        for _ in range(count):
            _insert_in(cursor, "processing_queue", {"flow_name": flow_name, **columns})
        if not age_seconds:
            return
        cursor.execute(
            "UPDATE processing_queue SET scheduled_at = now() - make_interval(secs => %(age)s)"
            " WHERE status = 'pending' AND flow_name = %(flow)s",
            {"age": age_seconds, "flow": flow_name},
        )


def add_failed(database: DatabaseManager, count: int, flow_name: str = "alpha", **columns: Any) -> None:
    values = {"status": "failed", "retry_count": 4, "error_message": "ValueError: no such order"}
    add_records(database, count, flow_name, **{**values, **columns})


def add_outcomes(
    database: DatabaseManager, flow_name: str = "alpha", minutes_ago: float = 5, **counts: Any
) -> None:
    """Adds counts as if records had ended `minutes_ago` minutes ago, but inserts no records. Adjustments in other
    columns offset the counts, so that the totals do not change."""
    columns = {
        "completed_adjusted": -counts.get("completed", 0),
        "failed_adjusted": -counts.get("failed", 0),
        "purged": counts.get("enqueued", 0),
        "processing_seconds": 1.0,
        "processing_histogram": [0] * 9 + [counts.get("completed", 0)] + [0] * 8,
    }
    with database.transaction() as cursor:
        _insert_in(cursor, "rollup_deltas", {"flow_name": flow_name, **columns, **counts})
        cursor.execute(
            "UPDATE rollup_deltas SET at = now() - make_interval(secs => %(age)s) WHERE id = lastval()",
            {"age": minutes_ago * 60},
        )


def add_run(database: DatabaseManager, flow_name: str = "alpha", **columns: Any) -> UUID:
    values = {
        "flow_instance_id": uuid4(),
        "flow_name": flow_name,
        "worker_process_id": uuid4(),
        "heartbeat_at": alive(),
        **columns,
    }
    _insert(database, "flow_execution_logs", values)
    return values["flow_instance_id"]


def add_processing(
    database: DatabaseManager, count: int, run: UUID, flow_name: str = "alpha", age_seconds: float = 0
) -> None:
    with database.transaction() as cursor:
        restore_rows(cursor)
        cursor.execute(
            "INSERT INTO processing_queue (flow_name, status, claim_number, claimed_at, flow_instance_id)"
            " SELECT %(flow)s, 'processing', 1, now() - make_interval(secs => %(age)s), %(run)s"
            " FROM generate_series(1, %(count)s)",
            {"flow": flow_name, "age": age_seconds, "run": run, "count": count},
        )


def add_worker_process(database: DatabaseManager, *flow_names: str, **columns: Any) -> UUID:
    values = {
        "worker_process_id": uuid4(),
        "worker_id": uuid4(),
        "hostname": "worker-1",
        "pid": 100,
        "flow_names": list(flow_names or ("alpha",)),
        "celery_queues": ["celery"],
        "versions": Jsonb({"processing-queue": "0.1.0"}),
        "pool_capacity": 6,
        "pool_in_use": 1,
        "heartbeat_at": alive(),
        **columns,
    }
    _insert(database, "worker_processes", values)
    return values["worker_process_id"]


def _insert(database: DatabaseManager, table: str, values: dict[str, Any]) -> None:
    with database.transaction() as cursor:
        _insert_in(cursor, table, values)


def _insert_in(cursor: Cursor[Any], table: str, values: dict[str, Any]) -> None:
    names = ", ".join(values)
    places = ", ".join(f"%({name})s" for name in values)
    cursor.execute(f"INSERT INTO {table} ({names}) VALUES ({places})".encode(), values)  # noqa: S608

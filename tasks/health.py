"""Checks whether the database can be reached, how fast it answers, and how many of its connections are in use. If the
database cannot be reached, a check reports this and raises no error."""

import logging
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg

from queue_store.database import schema
from queue_store.database.bounded_read import bounded_read
from queue_store.database.driver_errors import server_takes_no_writes
from queue_store.database.manager import DatabaseManager
from queue_store.errors import QueueStoreError, SchemaVersionError, SettingsError
from queue_store.readings.fleet import Fleet, read_fleet
from queue_store.readings.response_time import ping
from queue_store.readings.server import ServerReading, read_database_bytes, read_server
from queue_store.settings import DEFAULT_DATABASE, ProcessorSettings, load_processor_settings

from .monitoring.connection_checks import note_success, remember_failure
from .monitoring.databases import STATEMENT_SECONDS, database_named
from .monitoring.deadline import call_with_deadline
from .monitoring.describe import describe_server

logger = logging.getLogger(__name__)

RETRIES = 3
RETRY_SECONDS = 0.5
ANSWER_SECONDS = 10.0


def database_health_check(name: str = DEFAULT_DATABASE, include_retry: bool = False) -> dict[str, Any]:
    """Returns the health of the database. `status` is healthy, degraded (slow, wrong schema, or no answer at the first
    try) or unhealthy. `database_bytes` is None if the size of the database could not be read in time. Never raises.

    `include_retry`: try three times before the database counts as unhealthy."""
    health: dict[str, Any] = {"database": name, "timestamp": datetime.now(UTC).isoformat()}
    attempts = RETRIES if include_retry else 1
    error: Exception | None = None
    for attempt in range(1, attempts + 1):
        try:
            return health | call_with_deadline(
                partial(_reach, name, attempt), ANSWER_SECONDS, thread_name="health"
            )
        except (QueueStoreError, psycopg.Error) as problem:
            error = problem
        if isinstance(error, SettingsError):
            break
        if attempt < attempts:
            time.sleep(RETRY_SECONDS)
    if not isinstance(error, SettingsError):
        remember_failure(name, attempts)
    return health | {
        "status": "unhealthy",
        "connection": "failed",
        "response_time_ms": None,
        "attempts": attempts,
        "connection_success_rate_percent": 0.0,
        "error": str(error),
    }


def connection_pool_monitoring(name: str = DEFAULT_DATABASE) -> dict[str, Any]:
    """Returns how many pool connections all worker processes use, according to their heartbeats, and how many
    connections to the server are open. Never raises."""
    pool: dict[str, Any] = {"database": name, "timestamp": datetime.now(UTC).isoformat()}
    try:
        database, settings = database_named(name), load_processor_settings()
        fleet, server = call_with_deadline(
            partial(_read_pools, database, settings), ANSWER_SECONDS, thread_name="health"
        )
    except (QueueStoreError, psycopg.Error) as error:
        return pool | {"status": "unhealthy", "utilization_percent": None, "error": str(error)}
    percent = fleet.pool_utilization_percent
    judged = settings.alert_thresholds.judge("pool_utilization", percent or 0)
    return pool | {
        "status": judged[0] if judged else "healthy",
        "utilization_percent": percent if percent is not None else _own_utilization_percent(database),
        "pool_size": database.settings.pool_size,
        "max_overflow": database.settings.max_overflow,
        "connections_in_use": fleet.pool_in_use,
        "connections_possible": fleet.pool_capacity,
        "worker_processes": len(fleet.alive),
        "server": describe_server(server),
        "error": None,
    }


def database_review(name: str = DEFAULT_DATABASE) -> dict[str, Any]:
    """Checks the health of the database and the use of its connections, and logs both. The schedule calls this once
    a week. Never raises."""
    health, pool = database_health_check(name, include_retry=True), connection_pool_monitoring(name)
    level = logging.INFO if health["status"] == pool["status"] == "healthy" else logging.WARNING
    logger.log(
        level,
        "database %s: %s, answers in %s ms, pools %s %% used",
        name,
        health["status"],
        health["response_time_ms"],
        pool["utilization_percent"],
    )
    return {"health": health, "pool": pool}


def _reach(name: str, attempt: int) -> dict[str, Any]:
    """Raises QueueStoreError."""
    database = database_named(name)
    settings = load_processor_settings()
    with database.hold() as held:
        asked = time.monotonic()
        with held.transaction() as cursor:
            ping(cursor)
        response_time_ms = round((time.monotonic() - asked) * 1000, 2)
        with held.transaction() as cursor:
            server, database_bytes = read_server(cursor), read_database_bytes(cursor)
    if server.takes_no_writes and database.name == DEFAULT_DATABASE:
        raise server_takes_no_writes(database.settings.url)
    version = schema.version_of(database)
    problem = _schema_problem(database)
    judged = settings.alert_thresholds.judge("response_time", response_time_ms)
    return {
        "status": "healthy" if attempt == 1 and judged is None and problem is None else "degraded",
        "connection": "ok",
        "response_time_ms": response_time_ms,
        "attempts": attempt,
        "connection_success_rate_percent": note_success(database, attempt, response_time_ms)
        if problem is None
        else None,
        "schema_version": version,
        "server_version": server.server_version,
        "server_up_seconds": round(server.up_seconds),
        "is_replica": server.is_replica,
        "database_bytes": database_bytes,
        "error": problem,
    }


def _schema_problem(database: DatabaseManager) -> str | None:
    try:
        schema.check_version(database)
    except SchemaVersionError as error:
        return str(error)
    return None


def _read_pools(database: DatabaseManager, settings: ProcessorSettings) -> tuple[Fleet, ServerReading]:
    schema.check_version(database)
    with bounded_read(database, timeout_seconds=STATEMENT_SECONDS) as cursor:
        return read_fleet(cursor, settings), read_server(cursor)


def _own_utilization_percent(database: DatabaseManager) -> float:
    """Returns the use of this process's own pool. This figure is reported if no worker process is alive."""
    return round(100 * database.pool_in_use / database.pool_capacity, 1)

"""How long each monitoring call takes with millions of finished rows: `make bench-monitoring` (ROWS=10000000).

Starts a Postgres of its own with default durability, makes the rows, runs every call a number of times, and prints the
median and the worst. Then it claims and completes records while it polls every 15 seconds' worth of monitoring, and
compares execution times as pg_stat_statements tells them. Exit code 1 when a median is above the bound.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from queue_store import rollups, schema
from queue_store.claims import ClaimCursor
from queue_store.database_manager import DatabaseManager
from queue_store.record import Completed
from queue_store.run import Run, RunOptions
from queue_store.settings import DatabaseSettings, parse_database_url
from tasks.embedded.postgres import EmbeddedPostgres

BOUND_MILLISECONDS = 100.0
BOUND_SHARE_PERCENT = 2.0
TIMES = 25
FLOWS = 5
CHUNK = 500_000
POLL_SECONDS = 15.0
WORK_SECONDS = 30.0
SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "shared_preload_libraries": "pg_stat_statements",
}

FINISHED = """
INSERT INTO processing_queue (flow_name, status, claim_number, flow_instance_id, scheduled_at, created_at, updated_at,
    claimed_at, started_at, completed_at, retry_count, error_message, payload)
SELECT 'flow_' || n %% %(flows)s, CASE WHEN n %% 50 = 0 THEN 'failed' ELSE 'completed' END, 1,
    gen_random_uuid(), at, at, at + interval '2 s', at + interval '1 s', at + interval '1 s',
    CASE WHEN n %% 50 <> 0 THEN at + interval '2 s' END, CASE WHEN n %% 50 = 0 THEN 4 ELSE 0 END,
    CASE WHEN n %% 50 = 0 THEN 'ValueError: no such order' END, jsonb_build_object('n', n)
FROM (SELECT n, now() - (%(rows)s - n) * interval '30 days' / %(rows)s AS at
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n) made
"""
ATTEMPTS = """
INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,
    exception_type, error_message, error_group, finished_at)
SELECT id, 1, 4, flow_name, flow_instance_id, 'failed', 'ValueError', error_message, 'group ' || id %% 40, updated_at
FROM processing_queue WHERE status = 'failed'
"""
HISTORY = """
INSERT INTO {table}
SELECT date_trunc('{unit}', completed_at), flow_name, count(*), count(*), count(*), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    count(*), array_fill(count(*) / 18, ARRAY[18]), count(*), array_fill(count(*) / 18, ARRAY[18])
FROM processing_queue WHERE status = 'completed' GROUP BY 1, 2
"""
LIVE = """
INSERT INTO processing_queue (flow_name, payload) SELECT 'flow_' || n %% %(flows)s, '{}'
FROM generate_series(1, 500000) AS n
"""
FLEET = """
INSERT INTO flows (flow_name, celery_queue, batch_size, max_retries, orphan_timeout_seconds)
SELECT 'flow_' || n, 'flows', 100, 3, 7200 FROM generate_series(0, 4) AS n;
INSERT INTO worker_processes (worker_process_id, worker_id, hostname, pid, flow_names)
SELECT gen_random_uuid(), gen_random_uuid(), 'host-' || n % 10, n,
    ARRAY['flow_0', 'flow_1', 'flow_2', 'flow_3', 'flow_4']
FROM generate_series(1, 40) AS n
"""


def main() -> int:
    row_count = int(os.environ.get("ROWS", "10000000"))
    with tempfile.TemporaryDirectory(prefix="pq-bench-") as directory:
        Path(directory).chmod(0o711)
        server = EmbeddedPostgres(Path(directory), settings=SETTINGS)
        server.start()
        try:
            os.environ["DATABASE_URL"] = server.url()
            make_rows(server.url(), row_count)
            figures = measure()
            share = measure_share(server.url())
        finally:
            server.stop()
    return report(row_count, figures, share)


def make_rows(url: str, row_count: int) -> None:
    database = manager(url)
    schema.migrate(database.engine)
    database.dispose()
    began = time.monotonic()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        connection.execute("SET session_replication_role = replica")  # counted below, all at once
        connection.execute(FLEET)
        for first in range(1, row_count + 1, CHUNK):
            last = min(first + CHUNK - 1, row_count)
            parameters = {"flows": FLOWS, "rows": row_count, "first": first, "last": last}
            connection.execute(FINISHED, parameters)
            say(f"{last:,} rows after {time.monotonic() - began:.0f} s")
        connection.execute(ATTEMPTS, {})
        for table, unit in (("rollup_minutes", "minute"), ("rollup_hours", "hour")):
            connection.execute(HISTORY.format(table=table, unit=unit).encode())
        connection.execute("SET session_replication_role = origin")
        connection.execute(LIVE, {"flows": FLOWS})
        connection.execute("VACUUM (ANALYZE)")
    rollups.fold(manager(url))
    rollups.recount(manager(url))


def measure() -> dict[str, list[float]]:
    """Milliseconds of each call, without the first one, which fills caches and makes the connection."""
    from tasks.health import connection_pool_monitoring, database_health_check
    from tasks.monitoring import (
        calculate_capacity_utilization,
        distributed_processing_diagnostics,
        distributed_queue_monitoring,
        processing_performance_monitoring,
    )

    calls: dict[str, Callable[[], Any]] = {
        "distributed_queue_monitoring": distributed_queue_monitoring,
        "… with details": lambda: distributed_queue_monitoring(include_detailed_metrics=True),
        "distributed_processing_diagnostics": distributed_processing_diagnostics,
        "processing_performance_monitoring, 24 h": processing_performance_monitoring,
        "processing_performance_monitoring, 30 days": lambda: processing_performance_monitoring(720),
        "calculate_capacity_utilization": calculate_capacity_utilization,
        "database_health_check": database_health_check,
        "connection_pool_monitoring": connection_pool_monitoring,
    }
    figures: dict[str, list[float]] = {}
    for name, call in calls.items():
        figures[name] = [timed(call) for _ in range(TIMES + 1)][1:]
        say(f"  {name}: {statistics.median(figures[name]):.1f} ms")
    return figures


def measure_share(url: str) -> float:
    """Percent: execution time of one round of monitoring every 15 seconds, of that of claims and completions."""
    from tasks.monitoring import distributed_queue_monitoring

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_statements_reset()")
        work(url, WORK_SECONDS)
        working = executed_milliseconds(connection)
        rollups.fold(manager(url))  # as the control worker does every two seconds
        connection.execute("SELECT pg_stat_statements_reset()")
        for _ in range(10):
            distributed_queue_monitoring()
        show_slowest(connection)
        monitoring = executed_milliseconds(connection) / 10 * (WORK_SECONDS / POLL_SECONDS)
    return 100 * monitoring / working


def work(url: str, seconds: float) -> None:
    options = RunOptions(flow_name="flow_0", batch_size=100, max_retries=3)
    until = time.monotonic() + seconds
    with Run(manager(url), options, ClaimCursor(2, 20), uuid4()) as run:
        records = run.begin()
        while records and time.monotonic() < until:
            now = time.monotonic()
            _, records = run.write_and_claim([Completed(record, now, now) for record in records])
        run.end()


def executed_milliseconds(connection: psycopg.Connection[Any]) -> float:
    row = connection.execute(
        "SELECT sum(total_exec_time) FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'"
    ).fetchone()
    return float(row[0]) if row else 0.0


def show_slowest(connection: psycopg.Connection[Any]) -> None:
    """Which statements of monitoring take the most."""
    rows = connection.execute(
        "SELECT mean_exec_time, left(regexp_replace(query, '\\s+', ' ', 'g'), 90) FROM pg_stat_statements"
        " ORDER BY total_exec_time DESC LIMIT 5"
    ).fetchall()
    for milliseconds, query in rows:
        say(f"  {milliseconds:7.2f} ms  {query}")


def timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def report(row_count: int, figures: dict[str, list[float]], share: float) -> int:
    medians = {name: statistics.median(times) for name, times in figures.items()}
    say(f"\n{row_count:,} finished rows, 500,000 live ones, {FLOWS} flows; milliseconds of {TIMES} calls")
    for name, times in figures.items():
        say(f"  {name:45} median {medians[name]:7.1f}   worst {max(times):7.1f}")
    say(
        f"  monitoring every {POLL_SECONDS:g} s takes {share:.2f} % of the execution time of claims and completions"
    )
    say(json.dumps({"rows": row_count, "median_ms": medians, "share_percent": share}))
    slow = [name for name, median in medians.items() if median > BOUND_MILLISECONDS]
    for name in slow:
        say(f"TOO SLOW: {name} is above {BOUND_MILLISECONDS:g} ms")
    if share > BOUND_SHARE_PERCENT:
        say(f"TOO MUCH: the share is above {BOUND_SHARE_PERCENT:g} %")
    return 1 if slow or share > BOUND_SHARE_PERCENT else 0


def manager(url: str) -> DatabaseManager:
    return DatabaseManager(
        settings=DatabaseSettings(url=parse_database_url(url)), application_name="benchmark"
    )


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())

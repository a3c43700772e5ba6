"""Makes millions of finished rows, spread over thirty days, and half a million pending rows. The benchmarks of
monitoring and of the Queue page read these rows. FLOWS=1000 spreads the rows over 1,000 flows. With
FAILED=1000000, a million of the finished rows have the status failed."""

import os
import time

import psycopg

from queue_store.counts import rollups
from queue_store.database import schema
from queue_store.database.manager import DatabaseManager
from queue_store.settings import DatabaseSettings, parse_database_url

FLOWS = int(os.environ.get("FLOWS", "5"))
FREE_IDS = 10_000  # the rows have higher ids; a search reads records with lower ids last
USUAL_FAILED_SHARE = 50  # one row in fifty has failed
CHUNK = 500_000
SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "shared_preload_libraries": "pg_stat_statements",
}

FINISHED = """
INSERT INTO processing_queue (flow_name, status, claim_number, flow_instance_id, scheduled_at, created_at, updated_at,
    claimed_at, started_at, completed_at, retry_count, error_message, payload)
SELECT 'flow_' || n %% %(flows)s, CASE WHEN n %% %(one_in)s = 0 THEN 'failed' ELSE 'completed' END, 1,
    gen_random_uuid(), at, at, at + interval '2 s', at + interval '1 s', at + interval '1 s',
    CASE WHEN n %% %(one_in)s <> 0 THEN at + interval '2 s' END, CASE WHEN n %% %(one_in)s = 0 THEN 4 ELSE 0 END,
    CASE WHEN n %% %(one_in)s = 0 THEN 'ValueError: no such order' END, jsonb_build_object('n', n)
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
FROM processing_queue WHERE status = 'completed' GROUP BY 1, 2 ORDER BY 1, 2
"""
ERROR_HISTORY = """
INSERT INTO error_hours
SELECT date_trunc('hour', finished_at), flow_name, error_group, 'ValueError', min(error_message), count(*), count(*),
    count(*), min(finished_at), max(finished_at)
FROM record_attempts WHERE finished_at >= now() - interval '8 days' GROUP BY 1, 2, 3
"""
LIVE = """
INSERT INTO processing_queue (flow_name, payload) SELECT 'flow_' || n %% %(flows)s, '{}'
FROM generate_series(1, 500000) AS n
"""
FLEET = (
    """
INSERT INTO flows (flow_name, celery_queue, batch_size, max_retries, orphan_timeout_seconds)
SELECT 'flow_' || n, 'flows', 100, 3, 7200 FROM generate_series(0, %(flows)s - 1) AS n
""",
    """
INSERT INTO worker_processes (worker_process_id, worker_id, hostname, pid, flow_names)
SELECT gen_random_uuid(), gen_random_uuid(), 'host-' || n %% 10, n,
    ARRAY(SELECT 'flow_' || f FROM generate_series(0, %(flows)s - 1) AS f)
FROM generate_series(1, 40) AS n
""",
)


def make_rows(url: str, row_count: int) -> None:
    database = manager(url)
    schema.migrate(database.engine)
    database.dispose()
    one_in = row_count // int(os.environ.get("FAILED") or row_count // USUAL_FAILED_SHARE)
    began = time.monotonic()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        connection.execute("SELECT setval('processing_queue_id_seq', %(last)s)", {"last": FREE_IDS})
        connection.execute("SET session_replication_role = replica")  # no triggers; counts follow below
        for statement in FLEET:
            connection.execute(statement, {"flows": FLOWS})
        for first in range(1, row_count + 1, CHUNK):
            last = min(first + CHUNK - 1, row_count)
            parameters = {"flows": FLOWS, "rows": row_count, "first": first, "last": last, "one_in": one_in}
            connection.execute(FINISHED, parameters)
            say(f"{last:,} rows after {time.monotonic() - began:.0f} s")
        connection.execute(ATTEMPTS, {})
        connection.execute(ERROR_HISTORY)
        connection.execute("SET session_replication_role = origin")
        for table, unit in (("rollup_minutes", "minute"), ("rollup_hours", "hour")):
            connection.execute(HISTORY.format(table=table, unit=unit).encode())
        connection.execute(LIVE, {"flows": FLOWS})
        connection.execute("VACUUM (ANALYZE)")
    database = manager(url)
    rollups.fold(database)
    with database.transaction() as cursor:
        rollups.recount(cursor)


def manager(url: str) -> DatabaseManager:
    return DatabaseManager(
        settings=DatabaseSettings(url=parse_database_url(url)), application_name="benchmark"
    )


def say(text: str) -> None:
    print(text, flush=True)

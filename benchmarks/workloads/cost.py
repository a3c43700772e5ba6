"""Measures the cost of a record: write-ahead log, commits, buffers, and the memory and disk space that remain in
use."""

import time
from typing import Any
from uuid import uuid4

from benchmarks import queue_state
from benchmarks.session import Session
from benchmarks.worker import Worker, running_worker
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.records.record import Completed
from queue_store.runs.options import RunOptions
from queue_store.runs.queue_position import QueuePosition, claim_parameters
from queue_store.runs.run import Run
from queue_store.settings import DatabaseSettings, parse_database_url

KIB = 1024
LOG_POSITION = "SELECT (pg_current_wal_insert_lsn() - '0/0')::float8"
# This query counts only the COMMITs of the workers, because the benchmark itself uses no transaction blocks.
COMMITS = "SELECT sum(calls)::float8 FROM pg_stat_statements WHERE query = 'COMMIT'"
STATEMENTS = """
SELECT sum(calls)::float8 FROM pg_stat_statements
WHERE toplevel AND query NOT LIKE '%pg_stat_%' AND query NOT LIKE '%EXISTS (SELECT FROM processing_queue WHERE status%'
"""
SIZES = """
SELECT pg_table_size('processing_queue')::float8, pg_indexes_size('processing_queue')::float8
"""


def measure(session: Session) -> None:
    with running_worker(session.servers) as worker:
        _per_record(session, worker)
    with running_worker(session.servers) as worker:
        _after_many(session, worker, session.many)
    _of_statements(session)


def _value(session: Session, query: str, *parameters: object) -> float:
    row = session.connection.execute(query.encode(), parameters or None).fetchone()
    assert row is not None
    return float(row[0] or 0)


def _per_record(session: Session, worker: Worker) -> None:
    queue_state.empty(session.connection)
    session.connection.execute("SELECT pg_stat_statements_reset()")
    before = _value(session, LOG_POSITION)
    queue_state.enqueue(session.connection, session.records, settled=False)
    enqueued = _value(session, LOG_POSITION)
    session.connection.execute("SELECT pg_stat_statements_reset()")
    queue_state.drain(session.connection, worker, session.records)
    after = _value(session, LOG_POSITION)
    thousands = session.records / 1000
    records = session.records
    session.note("log (WAL)", "enqueue, payload of 0.2 kB", (enqueued - before) / records, "bytes a record")
    session.note("log (WAL)", "claim and completion", (after - enqueued) / records, "bytes a record")
    session.note("log (WAL)", "end to end", (after - before) / records, "bytes a record", at_most=2 * KIB)
    session.note("commits", "1,000 records", _value(session, COMMITS) / thousands, "")
    session.note("statements", "1,000 records", _value(session, STATEMENTS) / thousands, "")


def _of_statements(session: Session) -> None:
    """Notes what EXPLAIN says about one claim and one completion. Both statements are planned as in a run, and rolled
    back."""
    queue_state.empty(session.connection)
    queue_state.enqueue(session.connection, 10_000)
    database = DatabaseManager(settings=DatabaseSettings(url=parse_database_url(session.servers.url)))
    with Run(database, RunOptions("no_op", 100, 3), QueuePosition(3600, 1_000_000), uuid4()) as run:
        records = run.begin()
        now = time.monotonic()
        [completion] = run.outcome_statements([Completed(record, now, now) for record in records])
        claim = claim_parameters("no_op", run.flow_instance_id, 100)
        statements = {
            "claim of 100": ("arrows/claim", claim | run.position.parameters()),
            "completion of 100": (completion.name, completion.parameters),
        }
        for name, (statement, parameters) in statements.items():
            _explain(session, name, run, sql(statement), parameters)
        run.end()
    database.dispose()


def _explain(session: Session, name: str, run: Run, statement: bytes, parameters: dict[str, Any]) -> None:
    driver = run.held.driver
    explain = b"EXPLAIN (ANALYZE, BUFFERS, WAL, TIMING OFF, FORMAT JSON) "
    plans: list[dict[str, Any]] = []
    for _ in range(20):
        driver.execute(sql("runs/plan_once"), run.parameters)
        row = driver.execute(explain + statement, parameters).fetchone()
        driver.rollback()
        assert row is not None
        plans.append(row[0][0])
    plan = sorted(plans, key=lambda plan: plan["Execution Time"])[len(plans) // 2]
    top = plan["Plan"]
    session.note("buffers", name, top["Shared Hit Blocks"] + top["Shared Read Blocks"], "")
    session.note("log (WAL)", name, top["WAL Bytes"], "bytes")
    session.note("execution", name, plan["Execution Time"], "ms")
    session.note("planning, which a run does once", name, plan["Planning Time"], "ms")


def _after_many(session: Session, worker: Worker, count: int) -> None:
    """Processes the records in portions, as in production, so that autovacuum has work between two portions."""
    queue_state.empty(session.connection)
    start = worker.memory_bytes()
    portion = session.records
    for _ in range(0, count, portion):
        queue_state.enqueue(session.connection, portion, settled=False)
        worker.hint()
        queue_state.wait_until_finished(session.connection)
    growth = max(b - a for a, b in zip(start, worker.memory_bytes(), strict=True)) / KIB / KIB
    session.note("memory", f"growth of a worker process in {count:,} records", growth, "MB", at_most=20)
    row = session.connection.execute(SIZES).fetchone()
    assert row is not None
    session.note("on disk", f"table after {count:,} records", row[0] / KIB / KIB, "MB")
    session.note("on disk", f"indexes after {count:,} records", row[1] / KIB / KIB, "MB")

"""What a record costs: log, commits, buffers, and what stays behind in memory and on disk."""

from benchmarks import queue_state
from benchmarks.session import Session
from benchmarks.worker import Worker, running_worker

KIB = 1024
LOG_POSITION = "SELECT (pg_current_wal_insert_lsn() - '0/0')::float8"
COMMITS = "SELECT xact_commit::float8 FROM pg_stat_database WHERE datname = current_database()"
SIZES = """
SELECT pg_table_size('processing_queue')::float8, pg_indexes_size('processing_queue')::float8
"""
BUFFERS = """
SELECT sum(shared_blks_hit + shared_blks_read)::float8 / sum(calls) FROM pg_stat_statements
WHERE query LIKE %s AND calls > 10
"""


def measure(session: Session) -> None:
    with running_worker(session.servers) as worker:
        _per_record(session, worker)
        _after_many(session, worker, 1_000_000 if session.is_full else 2 * session.records)


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
    commits = _value(session, COMMITS)
    queue_state.drain(session.connection, worker, session.records)
    session.connection.execute("SELECT pg_sleep(1.1)")  # sessions report their counts once a second
    after = _value(session, LOG_POSITION)
    thousands = session.records / 1000
    records = session.records
    session.note("log (WAL)", "enqueue, payload of 0.2 kB", (enqueued - before) / records, "bytes a record")
    session.note("log (WAL)", "claim and completion", (after - enqueued) / records, "bytes a record")
    session.note("log (WAL)", "end to end", (after - before) / records, "bytes a record", at_most=2 * KIB)
    session.note("commits", "1,000 records", (_value(session, COMMITS) - commits) / thousands, "")
    for name, pattern in (
        ("claim of 100", "%AS level(priority, cursor_at%"),
        ("completion of 100", "%finished_age, result)%"),
    ):
        session.note("buffers touched", name, _value(session, BUFFERS, pattern), "")


def _after_many(session: Session, worker: Worker, count: int) -> None:
    """In portions, as they come in life, so that autovacuum has something to do meanwhile."""
    queue_state.empty(session.connection)
    start = worker.memory_bytes()
    portion = session.records
    for _ in range(0, count, portion):
        queue_state.enqueue(session.connection, portion, settled=False)
        queue_state.drain(session.connection, worker, portion)
    growth = max(b - a for a, b in zip(start, worker.memory_bytes(), strict=True)) / KIB / KIB
    session.note("memory", f"growth of a worker process in {count:,} records", growth, "MB", at_most=20)
    row = session.connection.execute(SIZES).fetchone()
    assert row is not None
    session.note("on disk", f"table after {count:,} records", row[0] / KIB / KIB, "MB")
    session.note("on disk", f"indexes after {count:,} records", row[1] / KIB / KIB, "MB")

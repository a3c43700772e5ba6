"""Fills the queue, waits until all records are finished, and reads from the table how long they took."""

import time
from collections.abc import Callable
from typing import Any

from psycopg import Connection, errors

from benchmarks.worker import Worker

ENQUEUE = """
INSERT INTO processing_queue (flow_name, payload, priority)
SELECT %(flow_name)s,
    jsonb_build_object('n', n, 'text', left(repeat(md5(n::text), %(text_length)s / 32 + 1), %(text_length)s)),
    CASE WHEN %(mixed)s THEN n %% 10 ELSE 5 END
FROM generate_series(1, %(count)s) n
"""
FINISHED = """
INSERT INTO processing_queue (flow_name, payload, status, claim_number, flow_instance_id, created_at, claimed_at,
    started_at, completed_at, updated_at)
SELECT 'no_op', jsonb_build_object('n', n, 'text', repeat('x', 150)), 'completed', 1,
    '00000000-0000-4000-8000-000000000000', at, at, at, at, at
FROM generate_series(1, %(count)s) n, LATERAL (SELECT now() - interval '1 day' + n * interval '1 ms') AS t(at)
"""
# With one condition for each status, Postgres uses two partial indexes. With a single condition for both, Postgres
# would scan the table.
UNFINISHED = """
SELECT EXISTS (SELECT FROM processing_queue WHERE status = 'pending')
    OR EXISTS (SELECT FROM processing_queue WHERE status = 'processing')
"""
SPAN = """
SELECT extract(epoch FROM max(completed_at) - min(claimed_at))::float8, count(*)::int
FROM processing_queue WHERE id > %s AND status = 'completed'
"""
PATIENCE_SECONDS = 300.0


def empty(connection: Connection[Any]) -> None:
    """Empties the queue, and leaves the server no work to do in the background."""
    while True:
        try:
            connection.execute("TRUNCATE processing_queue")
            break
        except errors.DeadlockDetected:  # a deadlock with the heartbeat query of an idle worker
            continue
    settle(connection)


def settle(connection: Connection[Any]) -> None:
    """Runs VACUUM and CHECKPOINT now, so that neither happens during a measurement."""
    connection.execute("VACUUM (ANALYZE) processing_queue, flow_execution_logs, rollup_deltas")
    connection.execute("CHECKPOINT")


def add_finished(connection: Connection[Any], count: int) -> None:
    for first in range(0, count, 1_000_000):
        connection.execute(FINISHED, {"count": min(1_000_000, count - first)})
    settle(connection)


def enqueue(
    connection: Connection[Any],
    count: int,
    flow_name: str = "no_op",
    *,
    text_length: int = 150,
    mixed: bool = False,
    settled: bool = True,
) -> int:
    """Enqueues records. Returns the highest id that was used before this call."""
    last = connection.execute("SELECT last_value FROM processing_queue_id_seq").fetchone()
    assert last is not None
    connection.execute(
        ENQUEUE, {"count": count, "flow_name": flow_name, "text_length": text_length, "mixed": mixed}
    )
    if settled:
        settle(connection)
    return int(last[0])


def drain(connection: Connection[Any], worker: Worker, count: int, flow_name: str = "no_op") -> float:
    """Lets the worker drain the records. Returns records per second, from the first claim to the last completion."""
    last_id = connection.execute(
        "SELECT min(id) - 1 FROM processing_queue WHERE status = 'pending'"
    ).fetchone()
    assert last_id is not None
    worker.hint(flow_name)
    wait_until_finished(connection)
    return rate_since(connection, last_id[0], count)


def wait_until_finished(connection: Connection[Any]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    quick_until = time.monotonic() + 0.2
    while connection.execute(UNFINISHED).fetchone() != (False,):
        if time.monotonic() > deadline:
            raise RuntimeError(f"records were left unfinished for {PATIENCE_SECONDS} s")
        time.sleep(0.005 if time.monotonic() < quick_until else 0.05)


def rate_since(connection: Connection[Any], last_id: int, count: int) -> float:
    row = connection.execute(SPAN, (last_id,)).fetchone()
    assert row is not None
    if row[1] != count:
        raise RuntimeError(f"{row[1]} records were completed of {count}")
    return count / float(row[0])


def seconds_of(load: Callable[[], object]) -> float:
    started = time.perf_counter()
    load()
    return time.perf_counter() - started

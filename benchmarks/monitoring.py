"""Times each monitoring call with millions of finished rows: `make bench-monitoring` (ROWS=10000000).

Starts its own Postgres with default durability, and makes the rows. Then it runs every call several times, and
reports the median and the worst time. After that, it claims and completes records. At the same time, it makes all calls
every 15 seconds, in a different order each time. It compares the calls' execution times in pg_stat_statements with
those of the claims, and the calls' CPU with the server's CPU. With at least ten million rows, the benchmark also writes
a report into benchmarks/results. The exit code is 1 if a figure is above its bound.
"""

import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from benchmarks.finished_rows import FLOWS, SETTINGS, make_rows, manager, say
from benchmarks.server_cpu import server_cpu_seconds, sessions_cpu_seconds
from queue_store.counts import rollups
from queue_store.liveness import worker_processes
from queue_store.records.record import Completed
from queue_store.runs.queue_position import QueuePosition
from queue_store.runs.run import Run, RunOptions
from tasks.embedded.postgres import EmbeddedPostgres

BOUND_MILLISECONDS = 100.0
BOUND_SHARE_PERCENT = 2.0
TIMES = 25
POLL_SECONDS = 15.0
FOLD_SECONDS = 2.0
BEAT_SECONDS = 2.0
TEN_MILLION = 10_000_000
RESULTS = Path(__file__).parent / "results"
WORK = """
INSERT INTO processing_queue (flow_name, payload) SELECT 'flow_0', '{}' FROM generate_series(1, %(count)s) AS n
"""
WORK_RECORDS = 6_000_000
EXECUTED = """
SELECT coalesce(sum(s.total_exec_time), 0)::float8,
    coalesce(sum(s.total_exec_time) FILTER (WHERE s.query LIKE '%%candidate AS MATERIALIZED%%'), 0)::float8
FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = %(role)s
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
            pid = int((server.data_directory / "postmaster.pid").read_text().split()[0])
            shares = measure_shares(server.url(), pid)
        finally:
            server.stop()
    return report(row_count, figures, shares)


def monitoring_calls() -> dict[str, Callable[[], Any]]:
    from tasks.health import connection_pool_monitoring, database_health_check
    from tasks.monitoring import (
        calculate_capacity_utilization,
        distributed_processing_diagnostics,
        distributed_queue_monitoring,
        processing_performance_monitoring,
    )

    return {
        "distributed_queue_monitoring": distributed_queue_monitoring,
        "… with details": lambda: distributed_queue_monitoring(include_detailed_metrics=True),
        "distributed_processing_diagnostics": distributed_processing_diagnostics,
        "processing_performance_monitoring, 24 h": processing_performance_monitoring,
        "processing_performance_monitoring, 30 days": lambda: processing_performance_monitoring(720),
        "calculate_capacity_utilization": calculate_capacity_utilization,
        "database_health_check": database_health_check,
        "connection_pool_monitoring": connection_pool_monitoring,
    }


def measure() -> dict[str, list[float]]:
    """The milliseconds of each call. Leaves out the first call, which fills caches and opens the connection."""
    figures: dict[str, list[float]] = {}
    for name, call in monitoring_calls().items():
        figures[name] = [timed(call) for _ in range(TIMES + 1)][1:]
        say(f"  {name}: {statistics.median(figures[name]):.1f} ms")
    return figures


@dataclass(frozen=True, slots=True)
class Shares:
    """`of_claims` is each call's execution time, in percent of the execution time of all claims.
    `of_claims_and_completions` is the same time in percent of the execution time of all claims and completions.
    `of_cpu` is the CPU that all calls together used, in percent of the server's CPU. The other fields say how many
    polls were made, how many records were processed, and how long the measurement took."""

    of_claims: dict[str, float]
    of_claims_and_completions: dict[str, float]
    of_cpu: float
    poll_count: int
    record_count: int
    seconds: float


def measure_shares(url: str, postmaster_pid: int) -> Shares:
    """Processes records, folds counts and makes the monitoring calls, all at the same time. Each of these
    activities has its own database role. Each poll begins with a different call."""
    calls = monitoring_calls()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(WORK, {"count": WORK_RECORDS})
        for role in ("working", "folding", "watching"):
            connection.execute(f"CREATE ROLE {role} LOGIN SUPERUSER".encode())
        connection.execute("SELECT pg_stat_statements_reset()")
        os.environ["DATABASE_URL"] = as_role(url, "watching")
        cpu, sessions = server_cpu_seconds(postmaster_pid), set[int]()
        began, ended, counts = time.monotonic(), threading.Event(), [0]
        threads = [
            threading.Thread(target=work, args=(as_role(url, "working"), ended, counts)),
            threading.Thread(target=fold, args=(as_role(url, "folding"), ended)),
        ]
        for thread in threads:
            thread.start()
        names = list(calls)
        watched = dict.fromkeys(names, 0.0)
        for poll in range(len(names)):
            time.sleep(max(0.0, began + (poll + 1) * POLL_SECONDS - time.monotonic()))
            for name in names[poll:] + names[:poll]:  # the first call scans the most rows
                before, _ = executed_milliseconds(connection, "watching")
                calls[name]()
                after, _ = executed_milliseconds(connection, "watching")
                watched[name] += after - before
                sessions |= sessions_of(connection, "watching")
        seconds = time.monotonic() - began
        if gone := sessions - sessions_of(connection, "watching"):
            raise RuntimeError(f"{len(gone)} session(s) of monitoring have ended: their CPU is not known")
        of_cpu = 100 * sessions_cpu_seconds(sessions) / (server_cpu_seconds(postmaster_pid) - cpu)
        ended.set()
        for thread in threads:
            thread.join()
        show_slowest(connection)
        worked, claimed = executed_milliseconds(connection, "working")
    if counts[0] >= WORK_RECORDS:
        raise RuntimeError("the work ended before the polling did: give it more records")
    return Shares(
        {name: 100 * milliseconds / claimed for name, milliseconds in watched.items()},
        {name: 100 * milliseconds / worked for name, milliseconds in watched.items()},
        of_cpu, len(names), counts[0], seconds,
    )  # fmt: skip


def work(url: str, ended: threading.Event, counts: list[int]) -> None:
    options = RunOptions(flow_name="flow_0", batch_size=100, max_retries=3)
    with Run(manager(url), options, QueuePosition(2, 20), uuid4()) as run:
        records = run.begin()
        heartbeat = threading.Thread(target=beat, args=(url, ended, run))
        heartbeat.start()
        while records and not ended.is_set():
            now = time.monotonic()
            counts[0] += len(records)
            _, records = run.exchange([Completed(record, now, now) for record in records])
            records = records or run.claim()
        run.end()
        heartbeat.join()


def beat(url: str, ended: threading.Event, run: Run) -> None:
    """Sends the heartbeats of the run, as each worker process does."""
    database = manager(url)
    while not ended.wait(BEAT_SECONDS):
        with database.transaction() as cursor:
            worker_processes.beat_run(cursor, run.flow_instance_id, run.counts)
    database.dispose()


def fold(url: str, ended: threading.Event) -> None:
    database = manager(url)
    while not ended.wait(FOLD_SECONDS):
        rollups.fold(database)
    database.dispose()


def as_role(url: str, role: str) -> str:
    return url.replace("//postgres@", f"//{role}@", 1)


def executed_milliseconds(connection: psycopg.Connection[Any], role: str) -> tuple[float, float]:
    """Returns two execution times in milliseconds: that of all statements of the role, and that of its claims."""
    row = connection.execute(EXECUTED, {"role": role}).fetchone()
    assert row is not None
    return row[0], row[1]


def sessions_of(connection: psycopg.Connection[Any], role: str) -> set[int]:
    rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE usename = %s", [role]).fetchall()
    return {pid for (pid,) in rows}


def show_slowest(connection: psycopg.Connection[Any]) -> None:
    rows = connection.execute(
        "SELECT mean_exec_time, left(regexp_replace(query, '\\s+', ' ', 'g'), 90) FROM pg_stat_statements s"
        " JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = 'watching' ORDER BY total_exec_time DESC LIMIT 5"
    ).fetchall()
    for milliseconds, query in rows:
        say(f"  {milliseconds:7.2f} ms  {query}")


def timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def report(row_count: int, figures: dict[str, list[float]], shares: Shares) -> int:
    medians = {name: statistics.median(times) for name, times in figures.items()}
    text = describe(row_count, figures, shares)
    say(text)
    if row_count >= TEN_MILLION:
        name = "monitoring-ten-million" + ("-thousand-flows" if FLOWS >= 1000 else "")
        (RESULTS / f"{name}.md").write_text(text)
    slow = [name for name, median in medians.items() if median > BOUND_MILLISECONDS]
    for name in slow:
        say(f"TOO SLOW: {name} is above {BOUND_MILLISECONDS:g} ms")
    too_much = [name for name, share in shares.of_claims.items() if share > BOUND_SHARE_PERCENT]
    for name in too_much:
        say(f"TOO MUCH: {name} takes more than {BOUND_SHARE_PERCENT:g} % of the claims' execution time")
    if shares.of_cpu > BOUND_SHARE_PERCENT:
        say(f"TOO MUCH: all calls together take more than {BOUND_SHARE_PERCENT:g} % of Postgres' CPU")
    return 1 if slow or too_much or shares.of_cpu > BOUND_SHARE_PERCENT else 0


def describe(row_count: int, figures: dict[str, list[float]], shares: Shares) -> str:
    lines = [
        f"# Monitoring with {row_count:,} finished rows",
        "",
        f"Written by `make bench-monitoring` on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} processors, "
        f"Python {platform.python_version()}, default durability, 500,000 live records, {FLOWS} flows, "
        f"{TIMES} calls each. One-minute load of the machine at the end: {os.getloadavg()[0]:.1f}.",
        "",
        f"Bound: a median of {BOUND_MILLISECONDS:g} ms for each call.",
        "",
        "| call | median ms | worst ms |",
        "| --- | --- | --- |",
        *(
            f"| `{name}` | {statistics.median(times):.1f} | {max(times):.1f} |"
            for name, times in figures.items()
        ),
        "",
        f"Each of them made {shares.poll_count} times, every {POLL_SECONDS:g} s in another order, while "
        f"{shares.record_count:,} records were claimed and completed in {shares.seconds:.0f} s by one run in batches "
        "of 100. Execution time in `pg_stat_statements`, in percent:",
        "",
        f"| call | of the claims' (bound: {BOUND_SHARE_PERCENT:g}) | of the claims' and completions' |",
        "| --- | --- | --- |",
        *(
            f"| `{name}` | {share:.2f} | {shares.of_claims_and_completions[name]:.2f} |"
            for name, share in shares.of_claims.items()
        ),
        f"| all together | {sum(shares.of_claims.values()):.2f} "
        f"| {sum(shares.of_claims_and_completions.values()):.2f} |",
        "",
        f"All together took {shares.of_cpu:.2f} % of the CPU that Postgres took in that time, planning and autovacuum "
        f"included (bound: {BOUND_SHARE_PERCENT:g}).",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

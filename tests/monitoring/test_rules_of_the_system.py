"""Each rule about the database and the worker processes yields a finding if its figure is above the threshold, but not
if the figure equals the threshold."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.readings.fleet import Fleet, WorkerProcessReading
from queue_store.readings.server import Connections, LongestTransaction
from queue_store.settings import ProcessorSettings
from tasks.monitoring.rules import judge
from tasks.monitoring.snapshot import Snapshot, take_snapshot


@pytest.fixture
def quiet(database: DatabaseManager) -> Snapshot:
    """A snapshot that shows a database without load, even if the machine is busy."""
    snapshot = take_snapshot(database, ProcessorSettings())
    server = replace(
        snapshot.server, connection_count=10, connection_limit=100, connections=[], longest_transaction=None
    )
    return replace(snapshot, response_time_ms=1.0, server=server)


def slow(milliseconds: float) -> Callable[[Snapshot], Snapshot]:
    return lambda quiet: replace(quiet, response_time_ms=milliseconds)


def connected(count: int) -> Callable[[Snapshot], Snapshot]:
    return lambda quiet: replace(quiet, server=replace(quiet.server, connection_count=count))


def idle(*counts: int) -> Callable[[Snapshot], Snapshot]:
    """For each count, adds an application with that many connections that have long been idle in a transaction."""
    found = [Connections(f"app {number}", 50, 0, 0, 50, count) for number, count in enumerate(counts)]
    return lambda quiet: replace(quiet, server=replace(quiet.server, connections=found))


def held(seconds: float) -> Callable[[Snapshot], Snapshot]:
    longest = LongestTransaction(4711, "report", "ben", None, "active", seconds)
    return lambda quiet: replace(quiet, server=replace(quiet.server, longest_transaction=longest))


def died(count: int) -> Callable[[Snapshot], Snapshot]:
    return lambda quiet: replace(quiet, fleet=Fleet([dead_process() for _ in range(count)], []))


def skewed(*seconds: float) -> Callable[[Snapshot], Snapshot]:
    """Adds one host for each clock skew. Each host has a second process that has not measured its skew yet."""
    processes = [
        replace(
            dead_process(),
            state="running",
            is_alive=True,
            hostname=f"worker-{number}",
            clock_skew_seconds=skew,
        )
        for number, found in enumerate(seconds)
        for skew in (found, None)
    ]
    return lambda quiet: replace(quiet, fleet=Fleet(processes, []))


def dead_process() -> WorkerProcessReading:
    return WorkerProcessReading(
        worker_process_id=uuid4(),
        worker_id=uuid4(),
        hostname="worker-1",
        pid=1,
        state="dead",
        started_at=datetime.now(UTC),
        silent_seconds=600,
        flow_names=[],
        celery_queues=[],
        versions={},
        pool_capacity=6,
        pool_in_use=0,
        cpu_percent=None,
        memory_bytes=None,
        memory_limit_bytes=None,
        processor_count=None,
        is_alive=False,
    )


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (slow(1_000), None),
        (slow(1_001), ("response_time", "warning", "more than 1000 ms")),
        (slow(5_001), ("response_time", "critical", "more than 5000 ms")),
        (connected(80), None),
        (connected(81), ("server_connections", "warning", "81 of 100 connections")),
        (connected(96), ("server_connections", "critical", "more than 95 %")),
        (idle(5), None),
        (idle(3, 3), ("idle_in_transaction", "warning", "6 connections have been idle in a transaction")),
        (held(300), None),
        (held(301), ("held_snapshot", "warning", "pid 4711, report, ben")),
        (held(3_601), ("held_snapshot", "critical", "open for 60 minutes")),
        (died(0), None),
        (died(1), ("worker_deaths", "warning", "1 worker process died")),
        (skewed(5, -5), None),
        (skewed(90), ("wrong_clock", "warning", "worker-0 90 s ahead.")),
        (
            skewed(0, -6, 90),
            ("wrong_clock", "warning", "2 hosts differ from the database's by more than 5 s: "),
        ),
        (skewed(0, -6, 90), ("wrong_clock", "warning", "worker-2 90 s ahead, worker-1 6 s behind.")),
        (died(3), ("worker_deaths", "warning", "3 worker processes died")),
    ],
)
def test_a_rule_fires_above_its_threshold(
    quiet: Snapshot, trouble: Callable[[Snapshot], Snapshot], expected: tuple[str, str, str] | None
) -> None:
    findings = judge(trouble(quiet))
    if expected is None:
        assert findings == []
        return
    code, level, part = expected
    (finding,) = findings
    assert (finding.code, finding.level) == (code, level)
    assert part in finding.message
    assert finding.figure is not None
    assert finding.threshold is not None
    assert finding.figure > finding.threshold or code == "worker_deaths"
    assert finding.next_step

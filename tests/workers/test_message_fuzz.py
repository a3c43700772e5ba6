"""Random messages with our task names, arguments and headers are written to the broker. Only work that is due in
Postgres changes records, counts, alerts, the schedule or the audit log. No process dies, and the worker's memory
stays bounded."""

from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from queue_store.operators.operators import Operators
from queue_store.readings.integrity import find_violations
from tasks.monitoring.rules import JUDGED_CODES
from tests.support import filling
from tests.workers.conftest import Queue
from tests.workers.message_shapes import Shapes
from tests.workers.processes import CeleryProcess, running_worker, wait_until

SEED = 20261127
AT_ONCE = 250
MEMORY_BYTES = 200_000_000
UNTOUCHED = """
SELECT (SELECT string_agg(md5(q::text), '' ORDER BY q.id) FROM processing_queue q WHERE q.flow_name <> 'quick'),
    (SELECT string_agg(md5(a::text), '' ORDER BY a.record_id, a.claim_number) FROM record_attempts a),
    (SELECT string_agg(md5(a::text), '' ORDER BY a.id) FROM audit_log a),
    (SELECT string_agg(md5(m::text), '' ORDER BY m.id) FROM maintenance_runs m),
    (SELECT string_agg(md5(o::text), '' ORDER BY o.entry, o.due_at) FROM schedule_occurrences o WHERE state <> 'due'),
    (SELECT string_agg(md5(b::text), '') FROM baselines b),
    (SELECT string_agg(md5(c::text), '') FROM queue_control c),
    (SELECT string_agg(md5(ROW(f.flow_name, f.paused_at, f.ingestion_stopped_at, f.batch_size_override)::text), ''
        ORDER BY f.flow_name) FROM flows f WHERE f.flow_name = 'stopped'),
    (SELECT string_agg(md5(a::text), '' ORDER BY a.id) FROM alerts a WHERE code <> ALL(%(codes)s))
"""
DEATHS = "SELECT count(*) FROM worker_processes WHERE state = 'dead' OR pid <> ALL(%(pids)s)"


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(500, id="short"),
        pytest.param(10_000, id="long", marks=[pytest.mark.long, pytest.mark.timeout(1200)]),
    ],
)
def test_messages_change_nothing(
    count: int,
    queue: Queue,
    settings_environment: dict[str, str],
    redis_client: redis.Redis,
    log: Path,
) -> None:
    occurrences = fill(queue)
    shapes = Shapes(SEED + count, ["quick", "sleepy", "stopped"], occurrences)
    before = queue.rows(UNTOUCHED, codes=list(JUDGED_CODES))
    with running_worker(
        settings_environment, log, queues="flows,control", concurrency=1, settings={"IDLE_POLL_SECONDS": "1"}
    ) as worker:
        serves(queue, worker)
        pids, memory = children(worker), used(worker)
        for start in range(0, count, AT_ONCE):
            for _ in range(min(AT_ONCE, count - start)):
                redis_client.lpush(shapes.queue(), shapes.next())
            drained(redis_client, worker)
            serves(queue, worker)
        assert children(worker) == pids, "a message ended a process"
        assert queue.value(DEATHS, pids=pids) == 0
        assert used(worker) - memory < MEMORY_BYTES
    assert queue.rows(UNTOUCHED, codes=list(JUDGED_CODES)) == before
    with queue.database.transaction() as cursor:
        assert find_violations(cursor, full=True) == []
    assert "fuzzed" not in log.read_text()


def fill(queue: Queue) -> list[tuple[str, str]]:
    """Adds history, and records that cannot be claimed (pending, failed and cancelled). Returns pairs: a name of a
    schedule entry, real or not, and a time, valid or not. No pair is a due occurrence."""
    database = queue.database
    filling.add_flow(database, "stopped")
    queue.insert("stopped", 20, '{"n": $n}')
    queue.insert("stopped", 1, dedup_key="taken")
    filling.add_failed(database, 20, "stopped", retry_count=1)
    queue.rows(
        "UPDATE processing_queue SET updated_at = now() - interval '400 days' WHERE status = 'failed' RETURNING 1"
    )
    for name in ("sleepy", "failing"):
        filling.add_flow(database, name)
        queue.insert(name, 20, '{"seconds": 0}', scheduled_at="2100-01-01")
    operators = Operators(database)
    operators.pause("stopped", actor="Olga", reason="for the test")
    operators.cancel(operators.find_unfinished("failing")[:5], actor="Olga")
    with database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO schedule_occurrences (entry, due_at, state, finished_at) VALUES"
            " ('retention', '2026-11-01', 'finished', now()), ('failed_records_reset', '2026-11-01', 'skipped', now()),"
            " ('nightly_review', '2026-11-01', 'failed', now())"
        )
        cursor.execute(
            "INSERT INTO alerts (alert_key, code, level, message, next_step, raised_level)"
            " VALUES ('of_another_version', 'of_another_version', 'warning', 'x', 'y', 'warning')"
        )
    entries = (
        "retention",
        "failed_records_reset",
        "nightly_review",
        "orphan_cleanup",
        "no such entry",
        "x\ny",
    )
    instants = (
        "2026-11-01T00:00:00+00:00",
        "2026-11-02T00:00:00+00:00",
        "soon",
        "2026-11-01",
        "0001-01-01T00:00:00+23:59",
    )
    return [(entry, instant) for entry in entries for instant in instants]


def serves(queue: Queue, worker: CeleryProcess) -> None:
    queue.insert("quick", 3)
    wait_until(
        lambda: (
            queue.value(
                "SELECT count(*) FROM processing_queue WHERE flow_name = 'quick' AND status <> 'completed'"
            )
            == 0
        ),
        "due work to be done",
        worker.log,
    )


def drained(client: redis.Redis, worker: CeleryProcess) -> None:
    def is_empty() -> bool:
        assert worker.popen.poll() is None, worker.log.read_text()[-3000:]
        return not any(
            client.llen(name) for name in ("flows", "control", "flows\x06\x169", "control\x06\x163")
        )

    wait_until(is_empty, "the messages to be taken", worker.log, timeout_seconds=120)


def children(worker: CeleryProcess) -> list[int]:
    return sorted(child.pid for child in psutil.Process(worker.popen.pid).children(recursive=True))


def used(worker: CeleryProcess) -> int:
    main = psutil.Process(worker.popen.pid)
    processes: list[Any] = [main, *main.children(recursive=True)]
    return sum(process.memory_info().rss for process in processes)

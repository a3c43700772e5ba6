"""Workers and pool children with default settings are killed, one after the other. The records of a killed worker
are claimed again within 20 s. The records of a killed child are given back within 2 s.

KILLS: how many workers and how many pool children are killed. RESCUE_REPORT: the file for the figures. `make
rescue-evidence` kills twenty workers and twenty children.
"""

import os
import signal
import statistics
from pathlib import Path

import pytest

from tests.support.evidence import made_by
from tests.workers.conftest import Queue
from tests.workers.processes import CeleryProcess, running_beat, running_worker, wait_until

KILLS = int(os.environ.get("KILLS", "3"))
BOUND_SECONDS = 20.0
CHILD_BOUND_SECONDS = 2.0

pytestmark = [pytest.mark.long, pytest.mark.alone, pytest.mark.timeout(120 + 60 * KILLS)]

REPORT = """# Rescue after the SIGKILL of a worker

{kills} workers with default settings (heartbeat 2 s, lease 10 s) were killed with all their processes. Each worker had
a batch of ten records in flight. The table shows the time from the kill until another worker claimed the first of these
records, and until the last of them was completed.

Then one of the two children of a worker was killed, {kills} times. Each killed child had ten records in flight. The
table shows the time from the kill until none of these records belonged to the dead child, and until the last of them
was completed. A beat ran only in this second part.

{made_by}

| | p50 | max | bound |
| --- | --- | --- | --- |
| worker killed: its first record is claimed again | {first_p50:.2f} s | {first_max:.2f} s | {bound:.0f} s |
| worker killed: all its records are done | {last_p50:.2f} s | {last_max:.2f} s | |
| child killed: its records are given back | {given_p50:.2f} s | {given_max:.2f} s | {child_bound:.0f} s |
| child killed: all its records are done | {done_p50:.2f} s | {done_max:.2f} s | |

Each worker, sorted: {all_firsts} s. Each child, sorted: {all_given} s.

Records charged with a failed attempt: {charged}.
"""

HOLDERS = """
SELECT DISTINCT pid FROM processing_queue
JOIN flow_execution_logs USING (flow_instance_id) JOIN worker_processes USING (worker_process_id)
WHERE status = 'processing'
"""
HELD = """
SELECT count(*) FROM processing_queue WHERE id = ANY(%(ids)s) AND claim_number = 1 AND status = 'processing'
"""


def test_each_of_twenty_killed_workers_is_rescued_within_twenty_seconds_and_each_child_within_two(
    queue: Queue, settings_environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "children.log"
    with running_worker(settings_environment, tmp_path / "survivor.log", queues="control") as survivor:
        workers = [kill_worker(queue, settings_environment, tmp_path / f"{n}.log") for n in range(KILLS)]
        beat = running_beat(settings_environment, tmp_path / "beat.log")
        with beat, running_worker(settings_environment, log) as parent:
            children = [kill_child(queue, parent) for _ in range(KILLS)]
            assert parent.popen.poll() is None
        assert survivor.popen.poll() is None
    charged = queue.value("SELECT count(*) FROM processing_queue WHERE retry_count > 0")
    if path := os.environ.get("RESCUE_REPORT"):
        made = made_by(
            f"make rescue-evidence KILLS={KILLS}",
            settings_environment["DATABASE_URL"], settings_environment["CELERY_BROKER_URL"],
        )  # fmt: skip
        Path(path).write_text(report(workers, children, charged, made))
    assert charged == 0
    assert max(first for first, _ in workers) <= BOUND_SECONDS, workers
    assert max(given for given, _ in children) <= CHILD_BOUND_SECONDS, children


def kill_worker(queue: Queue, environment: dict[str, str], log: Path) -> tuple[float, float]:
    with running_worker(environment, log, concurrency=1) as victim:
        return kill(queue, victim, environment, log.with_suffix(".next"))


def kill_child(queue: Queue, parent: CeleryProcess) -> tuple[float, float]:
    """Seconds from the kill until no record belongs to the dead child, and until all records are completed."""
    done = queue.counts().get("completed", 0)
    ids = batch_in_flight(queue, parent)
    (victim,) = [row[0] for row in queue.rows(HOLDERS)]
    os.kill(victim, signal.SIGKILL)
    given = wait_until(lambda: queue.value(HELD, ids=ids) == 0, "the records given back", parent.log)
    rest = wait_until(lambda: queue.counts() == {"completed": done + 10}, "all rescued", parent.log, 60)
    return given, given + rest


def batch_in_flight(queue: Queue, worker: CeleryProcess) -> list[int]:
    """Returns the ids of ten records in flight. Their handlers sleep for a minute the first time, but not when the
    records are processed again."""
    queue.insert("sleepy", 10, '{"seconds": 60}')
    wait_until(lambda: queue.counts().get("processing") == 10, "a batch in flight", worker.log)
    batch = (
        "UPDATE processing_queue SET payload = '{\"seconds\": 0}' WHERE status = 'processing' RETURNING id"
    )
    return [row[0] for row in queue.rows(batch)]


def kill(queue: Queue, victim: CeleryProcess, environment: dict[str, str], log: Path) -> tuple[float, float]:
    """Seconds from the kill to the first new claim, and to the end of the last record."""
    done = queue.counts().get("completed", 0)
    ids = batch_in_flight(queue, victim)
    with running_worker(environment, log, concurrency=1):
        killed_at = queue.value("SELECT clock_timestamp()")
        victim.kill()
        wait_until(lambda: queue.counts() == {"completed": done + 10}, "all rescued", log, 60)
    waits = queue.rows(
        "SELECT extract(epoch FROM min(claimed_at) - %(killed_at)s)::float8,"
        " extract(epoch FROM max(completed_at) - %(killed_at)s)::float8 FROM processing_queue WHERE id = ANY(%(ids)s)",
        killed_at=killed_at, ids=ids,
    )  # fmt: skip
    return waits[0][0], waits[0][1]


def report(
    workers: list[tuple[float, float]], children: list[tuple[float, float]], charged: int, made: str
) -> str:
    firsts, lasts = (sorted(seconds) for seconds in zip(*workers, strict=True))
    given, done = (sorted(seconds) for seconds in zip(*children, strict=True))
    return REPORT.format(
        kills=KILLS, made_by=made, bound=BOUND_SECONDS, child_bound=CHILD_BOUND_SECONDS, charged=charged,
        first_p50=statistics.median(firsts), first_max=max(firsts), last_p50=statistics.median(lasts),
        last_max=max(lasts), given_p50=statistics.median(given), given_max=max(given),
        done_p50=statistics.median(done), done_max=max(done),
        all_firsts=", ".join(f"{s:.1f}" for s in firsts), all_given=", ".join(f"{s:.2f}" for s in given),
    )  # fmt: skip

"""Twenty workers are killed, one after the other, with default settings: each one's records run again within 20 s.

KILLS says how many, RESCUE_REPORT names a file for the figures: `make rescue-evidence`.
"""

import os
import platform
import statistics
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.workers.conftest import Queue
from tests.workers.processes import CeleryProcess, running_worker, wait_until

KILLS = int(os.environ.get("KILLS", "20"))
BOUND_SECONDS = 20.0

pytestmark = [pytest.mark.long, pytest.mark.alone, pytest.mark.timeout(120 + 60 * KILLS)]

REPORT = """# Rescue after the SIGKILL of a worker

{kills} workers were killed with all their processes, each with a batch of ten records in hand, with default settings
(heartbeat 2 s, lease 10 s) on one machine with {processors} processors ({system}), {day}. Measured from the kill to
the claim of the first, and to the end of the last, of its records by another worker. Made by `make rescue-evidence`.

| | p50 | max | bound |
| --- | --- | --- | --- |
| first record of it is claimed again | {first_p50:.1f} s | {first_max:.1f} s | {bound:.0f} s |
| all its records are done | {last_p50:.1f} s | {last_max:.1f} s | |

Records charged with a failed attempt: {charged}.
"""


def test_each_of_twenty_killed_workers_is_rescued_within_twenty_seconds(
    queue: Queue, settings_environment: dict[str, str], tmp_path: Path
) -> None:
    firsts: list[float] = []
    lasts: list[float] = []
    with running_worker(settings_environment, tmp_path / "survivor.log", queues="control") as survivor:
        assert survivor.popen.poll() is None
        for number in range(KILLS):
            log = tmp_path / f"{number}.log"
            with running_worker(settings_environment, log, concurrency=1) as victim:
                first, last = kill(queue, victim, settings_environment, tmp_path / f"{number}-next.log")
            firsts.append(first)
            lasts.append(last)
    charged = queue.value("SELECT count(*) FROM processing_queue WHERE retry_count > 0")
    if path := os.environ.get("RESCUE_REPORT"):
        Path(path).write_text(report(firsts, lasts, charged))
    assert charged == 0
    assert max(firsts) <= BOUND_SECONDS, f"{sorted(firsts)}"


def kill(queue: Queue, victim: CeleryProcess, environment: dict[str, str], log: Path) -> tuple[float, float]:
    """From the kill to the first claim, and to the end of the last."""
    batch = (
        "UPDATE processing_queue SET payload = '{\"seconds\": 0}' WHERE status = 'processing' RETURNING id"
    )
    done = queue.counts().get("completed", 0)
    queue.insert("sleepy", 10, '{"seconds": 60}')
    wait_until(lambda: queue.counts().get("processing") == 10, "a batch in hand", victim.log)
    ids = [row[0] for row in queue.rows(batch)]
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


def report(firsts: list[float], lasts: list[float], charged: int) -> str:
    return REPORT.format(
        kills=len(firsts), processors=os.cpu_count(), system=platform.system(), day=datetime.now(UTC).date(),
        first_p50=statistics.median(firsts), first_max=max(firsts), last_p50=statistics.median(lasts),
        last_max=max(lasts), bound=BOUND_SECONDS, charged=charged,
    )  # fmt: skip

"""If a beat and a worker are stuck, but not dead, the processes that still work report both within a minute."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.workers.conftest import Queue
from tests.workers.processes import running_beat, running_worker, wait_until

pytestmark = [pytest.mark.alone, pytest.mark.long]


def test_a_wedged_beat_and_a_wedged_worker_are_reported_within_a_minute(
    queue: Queue, settings_environment: dict[str, str], tmp_path: Path
) -> None:
    live = "SELECT array_agg(code) FROM alerts WHERE resolved_at IS NULL"
    with (
        running_worker(settings_environment, tmp_path / "1.log", queues="flows,control") as first,
        running_worker(settings_environment, tmp_path / "2.log", queues="flows,control"),
        running_beat(settings_environment, tmp_path / "beat.log") as beat,
    ):
        wait_until(lambda: queue.value("SELECT count(*) FROM beats") == 1, "beat", beat.log)
        wait_until(lambda: queue.value("SELECT count(*) FROM worker_processes") == 4, "all", first.log)
        wait_until(
            lambda: not queue.value(live), "the resolution of what was so before beat began", beat.log, 60
        )
        began = time.monotonic()
        for pid in (beat.pid, first.pid, *first.children()):
            os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(
                lambda: set(queue.value(live) or []) >= {"beat_silent", "worker_deaths"},
                "both reports", tmp_path / "2.log", 70,
            )  # fmt: skip
        finally:
            for pid in (beat.pid, first.pid, *first.children()):
                os.kill(pid, signal.SIGCONT)
    assert time.monotonic() - began < 60

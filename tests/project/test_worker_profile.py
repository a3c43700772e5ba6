"""`make bench-worker` measures every step of every batch."""

import os
import subprocess
import sys

from benchmarks.worker_profile import STEPS
from tests.support.documents import ROOT


def test_every_step_of_the_worker_is_measured() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.worker_profile"],
        cwd=ROOT, env=os.environ | {"RECORDS": "2000"}, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [line[:34].strip() for line in done.stdout.splitlines()] == [*STEPS, "together"]

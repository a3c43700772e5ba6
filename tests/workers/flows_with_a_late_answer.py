"""The flow `quick`, in a worker whose only child is frozen. When the worker stops, this module wakes the child. The
child then accepts a hint just before Celery gives up the hints that no child has accepted. At that moment, Celery has
not read the child's answer yet. Without this module, a worker gets into this situation only if it is stopped within
some milliseconds of a hint."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil
from celery.concurrency.asynpool import AsynPool
from celery.signals import task_prerun

from tests.workers import flows_under_test

quick = flows_under_test.quick
gives_up_hints: Any = AsynPool.flush
PATIENCE_SECONDS = 10.0


@task_prerun.connect
def accept(**_: Any) -> None:
    """Runs in the child, after the child has told Celery that it accepts the hint."""
    accepted().touch()


def flush(pool: Any) -> None:
    accepted().unlink(missing_ok=True)
    for child in psutil.Process().children():
        os.kill(child.pid, signal.SIGCONT)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not accepted().exists():
        assert time.monotonic() < deadline, "the child does not accept the hint"
        time.sleep(0.01)
    gives_up_hints(pool)


def accepted() -> Path:
    return Path(os.environ["ACCEPTED"])


AsynPool.flush = flush  # type: ignore[method-assign]

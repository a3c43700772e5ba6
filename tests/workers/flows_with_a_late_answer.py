"""The flow `quick`, in a worker whose children are stopped: they accept a hint just before Celery gives up the hints
that no child has accepted, and Celery has not read the answer then. Without this module, that happens if a worker is
stopped within some milliseconds of a hint."""

import os
import signal
from typing import Any

from celery.concurrency.asynpool import AsynPool

from tests.workers import flows_under_test

quick = flows_under_test.quick
gives_up_hints: Any = AsynPool.flush


def flush(pool: Any) -> None:
    for process in pool._pool:
        os.kill(process.pid, signal.SIGCONT)
        assert process.outq._reader.poll(10), "the child does not accept the hint"
    gives_up_hints(pool)


AsynPool.flush = flush  # type: ignore[method-assign]

"""What the signals that end a pool child do while a run is in the child's main thread.

billiard's signal handler raises SystemExit in the code that is running, which may be the handler of a record. That
record would be charged an attempt, and the run would go on. So during a run, such a signal only asks this child to
stop: the run ends after the records in hand, and gives back the others. Afterwards this child ends. A signal that
arrives again after AGAIN_SECONDS ends this child at once. Rescue then gives its records back without a crash strike,
because the child's heartbeat has stored in the meantime that the child is stopping."""

import os
import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from billiard.common import TERM_SIGNAL, _shutdown_cleanup  # type: ignore[attr-defined]

from .shared_slots import shared_slots

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
AGAIN_SECONDS = 2.0
LAST_RESULT_SECONDS = 0.1  # in this time, a child has passed on the result of its task

_asked_at: float | None = None
_pid = 0


@contextmanager
def end_after_the_run() -> Generator[None]:
    """During the block, a signal to end only asks this child to stop. After the block, such a child ends. Call this in
    the main thread of a pool child. In other processes, this context manager does nothing."""
    global _asked_at, _pid
    numbers = [number for number in SIGNALS if signal.getsignal(number) is _shutdown_cleanup]
    _asked_at, _pid = None, os.getpid()
    for number in numbers:
        signal.signal(number, ask_to_end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, _shutdown_cleanup)
        if _asked_at is not None:
            _end_soon()


def ask_to_end(number: int, frame: Any) -> None:
    """The signal handler. It ends a process that a record's handler has forked, because the run is not there."""
    global _asked_at  # noqa: PLW0603
    now = time.monotonic()
    if os.getpid() != _pid or (_asked_at is not None and now >= _asked_at + AGAIN_SECONDS):
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    _asked_at = _asked_at or now
    shared_slots.stop_this_child()


def _end_soon() -> None:
    """End this child after Celery's main process has the result of the task in hand. If the whole worker is stopping,
    the main process ends its children itself."""

    def end() -> None:
        if not shared_slots.worker_is_stopping:
            os.kill(os.getpid(), TERM_SIGNAL)

    timer = threading.Timer(LAST_RESULT_SECONDS, end)
    timer.daemon = True
    timer.start()

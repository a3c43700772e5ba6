"""The reaction of a pool child to the signals that end it, while a run is in its main thread.

billiard's signal handler raises SystemExit in the code that is running, which may be the handler of a record. If the
signal interrupted a handler in this way, the handler's record would be charged an attempt, and the run would go on. So
during a run, such a signal only asks this child to stop: the run ends after the records in hand, and gives back the
others. Afterwards this child ends, and takes no further message.

A signal that arrives again after AGAIN_SECONDS ends this child at once, and a SIGKILL does so at any time. The child's
heartbeat stores that the child is stopping. After that, rescue gives the child's records back without a crash strike.
So even a task that must not be repeated can run twice."""

import os
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from billiard.common import _shutdown_cleanup  # type: ignore[attr-defined]
from billiard.process import current_process

from .shared_slots import shared_slots

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
AGAIN_SECONDS = 2.0

_asked_at: float | None = None
_pid = 0


@contextmanager
def end_after_the_run() -> Generator[None]:
    """During the block, a signal to end only asks this child to stop. After the block, a child that was asked to stop
    ends instead of taking its next message. Call this in the main thread of a pool child. In other processes, this
    context manager does nothing."""
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
            _take_no_further_message()


def ask_to_end(number: int, frame: Any) -> None:
    """The signal handler. If a record's handler has forked this process, the process ends at once, because it has no
    run."""
    global _asked_at  # noqa: PLW0603
    now = time.monotonic()
    if os.getpid() != _pid or (_asked_at is not None and now >= _asked_at + AGAIN_SECONDS):
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    _asked_at = _asked_at or now
    shared_slots.stop_this_child()


def _take_no_further_message() -> None:
    """Close the end of the pipe from which this child receives its messages. When the child looks for its next message,
    billiard finds the pipe closed. billiard waits until Celery's main process has read the result of the last task, and
    then ends the child. If a message stays in the pipe, the main process gives this message to another child. If the
    whole worker is stopping, the main process ends its children itself."""
    if not shared_slots.worker_is_stopping:
        process: Any = current_process()
        process.inq._reader.close()

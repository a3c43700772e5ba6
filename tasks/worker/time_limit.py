"""Stopping a handler that takes too long, in the main thread: an interval timer whose signal raises into it.

The timer rings again and again, because a handler may swallow the first exception. Around calls of the store the
exception is held back: in the middle of a COMMIT it would leave nobody knowing whether that happened. A signal mask
cannot do that, because the signal of the process is then delivered to another thread, and raises here all the same.
"""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from ..exceptions import TimeLimitExceededError

RING_AGAIN_SECONDS = 1.0

_armed_seconds: float | None = None
_is_masked = False
_has_rung = False


def can_interrupt() -> bool:
    """Python delivers signals to the main thread only."""
    return threading.current_thread() is threading.main_thread()


def install() -> None:
    """An alarm that a handler has left behind would end the process by its default action. Main thread only."""
    if signal.getsignal(signal.SIGALRM) is not _ring:
        signal.signal(signal.SIGALRM, _ring)


def arm(seconds: float) -> None:
    """From now on the limit raises TimeLimitExceededError into whatever runs. Main thread only.

    A library may have taken SIGALRM over since the last call, and the default action would end the process."""
    global _armed_seconds  # noqa: PLW0603
    install()
    _armed_seconds = seconds
    signal.setitimer(signal.ITIMER_REAL, seconds, RING_AGAIN_SECONDS)


def disarm() -> None:
    """Idempotent. Does nothing in other threads and without a limit."""
    global _armed_seconds  # noqa: PLW0603
    if _armed_seconds is not None and can_interrupt():
        _armed_seconds = None
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def masked() -> Generator[None]:
    """The limit waits until this block is over. Does nothing in other threads and without a limit."""
    global _is_masked, _has_rung  # noqa: PLW0603
    if _armed_seconds is None or _is_masked or not can_interrupt():
        yield
        return
    _is_masked, _has_rung = True, False
    try:
        yield
    finally:
        _is_masked = False
    if _has_rung:
        _raise()


def _ring(number: int, frame: FrameType | None) -> None:
    global _has_rung  # noqa: PLW0603
    _has_rung = True
    if not _is_masked:
        _raise()


def _raise() -> None:
    if _armed_seconds is not None:
        raise TimeLimitExceededError(f"the time limit of {_armed_seconds:g} s is over")

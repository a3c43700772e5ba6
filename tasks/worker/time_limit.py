"""Stops a handler that runs in the main thread and takes too long. An interval timer sends a signal, and the signal
raises an exception inside the handler.

The timer repeats the signal, because a handler may catch and ignore the first exception. While a method of the
handler's context uses the database, the exception is delayed. If the exception interrupted a COMMIT, nobody would
know whether the COMMIT happened. A signal mask cannot delay the exception: the signal would be delivered to another
thread, and Python would still raise the exception in the main thread.
"""

import ctypes
import signal
import threading
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType

from ..exceptions import TimeLimitExceededError

RING_AGAIN_SECONDS = 1.0
SOONEST_SECONDS = 0.001  # a timer set to 0 would be off

_armed_seconds: float | None = None
_is_masked = False
_has_rung = False
_soft_error: type[Exception] | None = None  # the next signal raises this; afterwards the time limit goes on
# When the flow's time limit ends, by time.monotonic(). Needed while a soft limit uses the timer for itself.
_hard_at: float | None = None


class _ThisThread(threading.local):
    """`soft_limit`: a lock that the soft limit of the thread takes before it raises its error."""

    soft_limit: AbstractContextManager[object] = nullcontext()


_this_thread = _ThisThread()


def can_interrupt() -> bool:
    """Whether this is the main thread. Python calls signal handlers only in the main thread."""
    return threading.current_thread() is threading.main_thread()


def install() -> None:
    """Set our signal handler. Without this signal handler, a SIGALRM from a timer that a flow's handler started
    would end the process. Main thread only."""
    if signal.getsignal(signal.SIGALRM) is not _ring:
        signal.signal(signal.SIGALRM, _ring)


def arm(seconds: float) -> None:
    """Start the time limit. When the time is over, TimeLimitExceededError is raised in the code that is running at that
    moment. Main thread only.

    `arm` also sets our signal handler again, because a library may have replaced it since the last call. Without our
    signal handler, the signal could end the process."""
    global _armed_seconds  # noqa: PLW0603
    install()
    _armed_seconds = seconds
    signal.setitimer(signal.ITIMER_REAL, seconds, RING_AGAIN_SECONDS)


def disarm() -> None:
    """Idempotent. Stop the time limit. Does nothing in threads other than the main thread, or if there is no
    limit."""
    global _armed_seconds  # noqa: PLW0603
    if _armed_seconds is not None and can_interrupt():
        _armed_seconds = None
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def masked() -> Generator[None]:
    """In the block of this context manager, no limit raises anything. If the time is over before the block ends, the
    exception is raised at the end of the block. Does nothing if there is no limit."""
    global _is_masked, _has_rung  # noqa: PLW0603
    if not can_interrupt():
        with _this_thread.soft_limit:
            yield
        return
    if (_armed_seconds is None and _soft_error is None) or _is_masked:
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


@contextmanager
def soft_limit(seconds: float, error: type[Exception]) -> Generator[None]:
    """Raises `error` once in the block if the block has not ended after `seconds`. In a thread other than the main
    thread, the error is raised when that thread next runs Python code. In the main thread, `error` is not raised if the
    flow's time limit is reached first."""
    global _soft_error, _hard_at
    if not can_interrupt():
        with _soft_limit_of_a_thread(seconds, error):
            yield
        return
    remaining = signal.getitimer(signal.ITIMER_REAL)[0] if _armed_seconds is not None else 0.0
    if remaining and remaining <= seconds:
        yield
        return
    install()
    _soft_error, _hard_at = error, time.monotonic() + remaining if remaining else None
    signal.setitimer(signal.ITIMER_REAL, seconds, RING_AGAIN_SECONDS)
    try:
        yield
    finally:
        _end_soft_limit()


def _end_soft_limit() -> None:
    """Idempotent. Ends the soft limit, and sets the timer to the flow's time limit again, if there is one."""
    global _soft_error  # noqa: PLW0603
    if _soft_error is None:
        return
    _soft_error = None
    if _hard_at is None:
        signal.setitimer(signal.ITIMER_REAL, 0)
    else:
        signal.setitimer(
            signal.ITIMER_REAL, max(_hard_at - time.monotonic(), SOONEST_SECONDS), RING_AGAIN_SECONDS
        )


@contextmanager
def _soft_limit_of_a_thread(seconds: float, error: type[Exception]) -> Generator[None]:
    thread = threading.get_ident()
    lock = threading.RLock()
    is_over = False

    def ring() -> None:
        with lock:
            if not is_over:
                _set_async_error(thread, error)

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    earlier, _this_thread.soft_limit = _this_thread.soft_limit, lock
    timer.start()
    try:
        yield
    finally:
        with lock:
            is_over = True
            _set_async_error(thread, None)  # cancels an error that has not been raised yet
        timer.cancel()
        _this_thread.soft_limit = earlier


def _set_async_error(thread: int, error: type[Exception] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), None if error is None else ctypes.py_object(error)
    )


def _raise() -> None:
    if (error := _soft_error) is not None:
        _end_soft_limit()
        raise error
    if _armed_seconds is not None:
        raise TimeLimitExceededError(f"the time limit of {_armed_seconds:g} s is over")

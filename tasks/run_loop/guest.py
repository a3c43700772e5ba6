"""Undoes the changes that handlers of every kind make to the worker process.

Each call runs in a copy of the context variables. If a handler forks a child process, the child ends as soon as it
returns from the handler. After each batch, `ProcessState` restores the signal handlers, the signal mask, the working
directory, the umask, the recursion limit, the locale, the socket timeout and the event loop of the thread.
`ProcessState` also switches logging on again. After each slice, transactions.py and queue_store/runs/slice_session.py
undo the changes to the transaction and to the database session.

In docs/flows.md, the section "What a handler may do" explains this to authors.
"""

import asyncio
import locale
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Coroutine, Generator
from contextlib import suppress
from contextvars import copy_context
from importlib import import_module
from typing import Any, TypeVar

from .one_body import run_without_waiting

R = TypeVar("R")

FORKED_EXIT = 70  # EX_SOFTWARE
SIGNALS = [
    signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGALRM, signal.SIGCHLD, signal.SIGPIPE,
    signal.SIGUSR1, signal.SIGUSR2,
]  # fmt: skip

# `signal.getsignal` calls this private function, and then looks up an Enum member for the signal handler. With the
# look-up, the call takes ten times as long.
_handler_of = import_module("_signal").getsignal

_is_a_fork = False


def _note_fork() -> None:
    global _is_a_fork  # noqa: PLW0603
    _is_a_fork = True


os.register_at_fork(after_in_child=_note_fork)


def own_this_process() -> None:
    """Notes that this process is a worker process, which the main process forked, and not a fork that a handler made.
    Call this before a handler runs."""
    global _is_a_fork  # noqa: PLW0603
    _is_a_fork = False


def end_a_fork() -> None:
    """Ends this process if it is a fork that a handler made. Otherwise the fork would go on as a second worker on the
    same connections. `os._exit` runs no exit handler. So it does not tell the server to end the sessions, which the
    parent still uses."""
    if _is_a_fork:
        os._exit(FORKED_EXIT)


def run_as_guest(body: Coroutine[Any, Any, R]) -> R:
    """Run the body of a plain handler in a copy of the context variables. The body never suspends: see `one_body`."""
    return run_without_waiting(body, copy_context())


class AsGuest(Awaitable[R]):
    """Awaits the body of a handler, plain or asynchronous, in a copy of the context variables. The body runs in the
    asyncio task that awaits it, so that cancelling this task cancels the body."""

    def __init__(self, body: Coroutine[Any, Any, R]) -> None:
        self._body = body

    def __await__(self) -> Generator[Any, Any, R]:
        context, body = copy_context(), self._body
        step, argument = body.send, None
        while True:
            try:
                waited_for = context.run(step, argument)
            except StopIteration as stop:
                return stop.value
            try:
                argument = yield waited_for
                step = body.send
            except BaseException as error:  # noqa: BLE001
                step, argument = body.throw, error


class ProcessState:
    """The state of this process before a handler ran. Only the thread that owns the run uses this class."""

    def __init__(self) -> None:
        self._is_main_thread = threading.current_thread() is threading.main_thread()
        self._signals = {number: _handler_of(number) for number in SIGNALS}
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        self._directory = _directory()
        self._umask = _umask()
        self._recursion_limit = sys.getrecursionlimit()
        self._locale = locale.setlocale(locale.LC_ALL)
        self._socket_timeout = socket.getdefaulttimeout()
        self._logging_disabled = logging.root.manager.disable

    def put_back(self) -> None:
        """Idempotent. Restores the state that this object saved. A change that cannot be undone, such as a removed
        directory, stays."""
        if self._is_main_thread:
            for number, handler in self._signals.items():
                if handler is not None and _handler_of(number) is not handler:
                    signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        with suppress(OSError):
            if self._directory is not None and _directory() != self._directory:
                os.chdir(self._directory)
        os.umask(self._umask)
        if sys.getrecursionlimit() != self._recursion_limit:
            sys.setrecursionlimit(self._recursion_limit)
        if locale.setlocale(locale.LC_ALL) != self._locale:
            locale.setlocale(locale.LC_ALL, self._locale)
        socket.setdefaulttimeout(self._socket_timeout)
        if logging.root.manager.disable != self._logging_disabled:
            logging.disable(self._logging_disabled)  # this call empties every logger's cache
        asyncio.set_event_loop(None)


def _directory() -> str | None:
    """Returns the working directory. None if the directory was removed."""
    try:
        return os.getcwd()  # noqa: PTH109  (a string is compared faster than a Path)
    except OSError:
        return None


def _umask() -> int:
    """Returns the umask. Python can read the umask only by setting it."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask

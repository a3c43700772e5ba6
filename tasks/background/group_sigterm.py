"""The effect of SIGTERM in a pool child, and in the processes that handlers fork there.

A SIGTERM to the whole process group also reaches the children. While a child starts, the first SIGTERM only asks it to
stop. Once the child has started, billiard installs its own signal handler
(findings/billiard-replaces-the-sigterm-handler-of-an-initializer.sh). That signal handler ends the child, and a run in
the thread `idle_poll` gives its records back. While a run is in the main thread, the signal handler of
tasks/worker/end_signals.py replaces billiard's.

A process that a handler forked must end at the first SIGTERM, and no SIGTERM may be lost. `multiprocessing.Pool` sends
only one SIGTERM, and then waits without a limit until the process has ended. Python would lose a SIGTERM that arrives
during the fork, or just before a call that waits. So SIGTERM is blocked during the fork, and has its default action in
the new process.
"""

import os
import signal
import threading
from typing import Any

from billiard.common import _shutdown_cleanup  # type: ignore[attr-defined]

from ..worker.end_signals import ask_to_end
from ..worker.shared_slots import is_pool_child, shared_slots

_masks = threading.local()


def survive_group_sigterm() -> None:
    """Call this once in each pool child. Does nothing in another process."""
    if is_pool_child():
        signal.signal(signal.SIGTERM, _stop)
        os.register_at_fork(
            before=_hold_sigterm, after_in_parent=_let_sigterm_through, after_in_child=_end_at_sigterm
        )


def _stop(number: int, frame: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    shared_slots.stop()


OF_A_CHILD = (_stop, _shutdown_cleanup, ask_to_end)


def _hold_sigterm() -> None:
    _masks.before_fork = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _let_sigterm_through() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before_fork)


def _end_at_sigterm() -> None:
    """A SIGTERM that has arrived since the fork ends this process now."""
    if signal.getsignal(signal.SIGTERM) in OF_A_CHILD:  # a signal handler of the application stays in place
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _let_sigterm_through()

"""Finds handlers that do not stop at their time limit. Some handlers run in a thread that nothing can interrupt. Other
handlers run C code that releases the interpreter's lock but does not return. A handler may also catch the exception of
the time limit and go on. Only the end of the process can stop such a handler. Before the process ends, the known
outcomes are written through a separate connection, and the other records are given back. No record gets a crash strike.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from billiard.pool import EX_RECYCLE

from queue_store.records.record import Record

GRACE_SECONDS = 3.0
LOOK_SECONDS = 0.1

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StuckHandler:
    """One call of a handler. `gives_up_at`: the time, by time.monotonic(), at which this process will end because of
    the call. `ended_by`: the operator who asked to end the handler."""

    records: Sequence[Record]
    started: float
    gives_up_at: float
    limit_seconds: float
    ended_by: str | None = None


class StuckHandlers(threading.Thread):
    """A thread that watches the calls of one run. A run of a flow without a time limit has no such thread."""

    def __init__(self, give_up: Callable[[list[StuckHandler]], None]) -> None:
        super().__init__(name="stuck_handlers", daemon=True)
        self._give_up = give_up
        self._calls: dict[int, StuckHandler] = {}
        self._ended = threading.Event()

    def watch(self, records: Sequence[Record], limit_seconds: float, *, can_be_interrupted: bool) -> None:
        """Begin to watch a call of the handler. The time limit of the call starts now."""
        now = time.monotonic()
        gives_up_at = now + limit_seconds + (GRACE_SECONDS if can_be_interrupted else 0)
        self._calls[records[0].id] = StuckHandler(records, now, gives_up_at, limit_seconds)

    def forget(self, records: Sequence[Record]) -> None:
        self._calls.pop(records[0].id, None)

    def calls(self) -> list[StuckHandler]:
        """Returns the calls that are running, the oldest first."""
        return list(self._calls.values())

    def run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            try:
                if self._look():
                    return
            except Exception:
                logger.exception("a stuck handler could not be ended; the next try follows")

    def _look(self) -> bool:
        """Returns whether the process was asked to end."""
        now = time.monotonic()
        stuck = [call for call in self.calls() if now >= call.gives_up_at]
        if stuck:
            self._give_up(stuck)
        return bool(stuck)

    def end(self) -> None:
        self._ended.set()


def end_process() -> None:
    """End this process at once, without waiting for threads. The exit code makes the pool replace the child."""
    logging.shutdown()
    os._exit(EX_RECYCLE)

"""Finds handlers that do not stop at their time limit. Nothing can interrupt a thread, C code may never return to
the interpreter, and a handler may swallow the exception. In these cases the process has to end. First the outcome is
written over a separate connection, then the rest of the batch is given back. No record gets a crash strike.
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
    """One call of a handler. `gives_up_at`: when this process will end because of it, by time.monotonic().
    `ended_by`: the operator who asked to end it."""

    records: Sequence[Record]
    started: float
    gives_up_at: float
    limit_seconds: float
    ended_by: str | None = None


class StuckHandlers(threading.Thread):
    """Watches the calls of one run, if the flow has a time limit. Runs of other flows have no such thread."""

    def __init__(self, give_up: Callable[[list[StuckHandler]], None]) -> None:
        super().__init__(name="stuck_handlers", daemon=True)
        self._give_up = give_up
        self._calls: dict[int, StuckHandler] = {}
        self._ended = threading.Event()

    def watch(self, records: Sequence[Record], limit_seconds: float, *, can_be_interrupted: bool) -> None:
        """A call of the handler begins: watch it from now on."""
        now = time.monotonic()
        gives_up_at = now + limit_seconds + (GRACE_SECONDS if can_be_interrupted else 0)
        self._calls[records[0].id] = StuckHandler(records, now, gives_up_at, limit_seconds)

    def forget(self, records: Sequence[Record]) -> None:
        """The call has ended: stop watching it."""
        self._calls.pop(records[0].id, None)

    def calls(self) -> list[StuckHandler]:
        """The calls that are running, the oldest first."""
        return list(self._calls.values())

    def run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            now = time.monotonic()
            stuck = [call for call in self.calls() if now >= call.gives_up_at]
            if stuck:
                self._give_up(stuck)
                return

    def end(self) -> None:
        self._ended.set()


def end_process() -> None:
    """End this process at once, without waiting for threads. With this exit code the pool replaces the child."""
    logging.shutdown()
    os._exit(EX_RECYCLE)

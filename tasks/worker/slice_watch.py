"""In each worker process, one thread claims the rest of a slice that becomes long, even while a handler runs. Otherwise
the records of the slice would stay locked for a long time."""

import threading
import time
from collections.abc import Callable

LOOK_SECONDS = 0.02
LOOKS_BEFORE_REST = 50  # if so many looks in a row find no slice, the thread waits for the next slice


class SliceWatch:
    """Watches the slices of one run after the other. The thread starts with the first slice, and serves all runs of
    this process. A thread for each run would cost more than the registration of a run."""

    def __init__(self) -> None:
        self._watched: tuple[Callable[[], None], float] | None = None
        self._is_needed = threading.Event()
        self._is_ended = False
        self._thread: threading.Thread | None = None

    def watch(self, claim_rest: Callable[[], None], seconds: float) -> None:
        """Calls `claim_rest` in another thread if `forget` is not called within `seconds`. `claim_rest` must be
        idempotent, and must not raise. Raises RuntimeError if no thread can be started."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="express", daemon=True)
            self._thread.start()
        self._watched = claim_rest, time.monotonic() + seconds
        self._is_needed.set()

    def forget(self) -> None:
        self._watched = None

    def end(self) -> None:
        """Ends the thread."""
        self._is_ended = True
        self._is_needed.set()

    def _run(self) -> None:
        while self._is_needed.wait():
            self._is_needed.clear()  # before the look at `_is_ended`, because `end` sets both
            if self._is_ended:
                return
            idle_looks = 0
            while idle_looks < LOOKS_BEFORE_REST and not self._is_ended:
                time.sleep(LOOK_SECONDS)
                idle_looks = 0 if self._look() else idle_looks + 1

    def _look(self) -> bool:
        """Returns whether a slice is being watched."""
        if (watched := self._watched) is None:
            return False
        claim_rest, long_at = watched
        if time.monotonic() >= long_at:
            claim_rest()
        return True

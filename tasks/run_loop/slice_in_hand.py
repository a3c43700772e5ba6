"""An express slice while its handlers run. It holds the outcomes so far. `settle` writes them at the end, or
`claim_rest` writes them earlier, often in another thread."""

import threading
import time
from collections.abc import Sequence

from queue_store.records.record import Completed, Outcome, Record
from queue_store.runs.express import HeldSlice

from .delivery import Delivery

LOOK_SECONDS = 0.02


class SliceInHand:
    """The thread of the run calls the handlers, reports their outcomes and settles the slice. Another thread may
    claim the other records at any time. A lock ensures that only one of the two threads uses the run's
    connection."""

    def __init__(self, held: HeldSlice, delivery: Delivery) -> None:
        self.records = held.records
        self._held = held
        self._delivery = delivery
        self._outcomes: list[Outcome] = []
        self._lock = threading.Lock()
        self._is_settled = False
        self.has_setbacks = False  # whether a record was not completed
        self._claimed_ids: set[int] = set()
        self._failure: BaseException | None = None

    @property
    def is_settled(self) -> bool:
        return self._is_settled

    def report(self, outcomes: Sequence[Outcome]) -> None:
        """Keep the outcomes for `settle`. If `claim_rest` has been called before, deliver them at once instead.
        Raises the error that prevented `claim_rest` from writing."""
        self.has_setbacks = self.has_setbacks or any(o.__class__ is not Completed for o in outcomes)
        with self._lock:
            if not self._is_settled:
                self._outcomes += outcomes
                return
        self._check()
        for outcome in outcomes:
            self._delivery.report(outcome)

    def settle(self) -> None:
        """Write the outcomes of the finished records, and release the others. Raises the error that prevented this,
        or that prevented an earlier `claim_rest`."""
        with self._lock:
            if not self._is_settled:
                self._settle([])
        self._check()

    def claim_rest(self) -> None:
        """Write the outcomes of the finished records, and claim all others, including those whose handler is
        running. Idempotent, and never raises."""
        with self._lock:
            if not self._is_settled:
                finished = {outcome.record.id for outcome in self._outcomes}
                self._settle([record for record in self.records if record.id not in finished])

    def claimed(self, records: Sequence[Record]) -> list[Record]:
        """Returns only the records that `claim_rest` has claimed."""
        return [record for record in records if record.id in self._claimed_ids]

    def roll_back(self) -> None:
        """Release everything that is still locked. Does nothing after the slice was settled."""
        with self._lock:
            self._is_settled = True
            self._held.roll_back()

    def _settle(self, rest: list[Record]) -> None:
        self._is_settled = True
        try:
            self._claimed_ids = self._delivery.settle(self._held, self._outcomes, rest)
        except BaseException as error:  # noqa: BLE001  (the thread of the run raises it)
            self._failure = error

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure


class SliceWatch(threading.Thread):
    """Claims the rest of a slice that becomes long, even while its handler runs. Otherwise the records would stay
    locked for long."""

    def __init__(self) -> None:
        super().__init__(name="express", daemon=True)
        self._watched: tuple[SliceInHand, float] | None = None
        self._ended = threading.Event()

    def watch(self, slice_in_hand: SliceInHand, seconds: float) -> None:
        """The slice counts as long after `seconds` from now."""
        self._watched = slice_in_hand, time.monotonic() + seconds

    def forget(self) -> None:
        self._watched = None

    def run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            if (watched := self._watched) is None:
                continue
            slice_in_hand, long_at = watched
            if time.monotonic() >= long_at:
                slice_in_hand.claim_rest()

    def end(self) -> None:
        self._ended.set()

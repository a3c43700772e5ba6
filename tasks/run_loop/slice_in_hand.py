"""An express slice while its handlers run. It keeps the outcomes of the finished records. `settle` writes these
outcomes at the end of the slice, or `claim_rest` writes them earlier, often in another thread."""

import threading
from collections.abc import Sequence

from queue_store.records.record import Completed, Outcome, Record
from queue_store.runs.express import HeldSlice

from .delivery import Delivery


class SliceInHand:
    """The thread of the run calls the handlers and then `report` and `settle`. Another thread may call `claim_rest`
    at any time. A lock ensures that only one of the two threads uses the run's connection at a time."""

    def __init__(self, held: HeldSlice, delivery: Delivery) -> None:
        self.records = held.records
        self._held = held
        self._delivery = delivery
        self._outcomes: list[Outcome] = []
        self._lock = threading.Lock()
        self.is_settled = False  # whether the outcomes of the slice are written, or are being written
        self.has_setbacks = False  # whether a finished record has an outcome other than completed
        self._claimed_ids: set[int] = set()
        self._failure: BaseException | None = None

    def report(self, outcomes: Sequence[Outcome]) -> None:
        """Until `claim_rest` is called, keeps the outcomes for `settle`. Afterwards, passes them straight to the
        delivery. Raises the error with which `claim_rest` failed."""
        for outcome in outcomes:
            if outcome.__class__ is not Completed:
                self.has_setbacks = True
        with self._lock:
            if not self.is_settled:
                self._outcomes += outcomes
                return
        self._check()
        for outcome in outcomes:
            self._delivery.collect(outcome)
        self._delivery.flush_when_due()

    def settle(self, *, is_last: bool = False) -> None:
        """Write the outcomes of the finished records, and release the others. `is_last`: also end the run if no record
        is due. Raises the error with which this call, or an earlier call of `claim_rest`, failed."""
        with self._lock:
            if not self.is_settled:
                self._settle([], is_last=is_last)
        self._check()

    def claim_rest(self) -> None:
        """Write the outcomes of the finished records, and claim all others, including those whose handler is
        running. Idempotent, and never raises."""
        with self._lock:
            if not self.is_settled:
                finished = {outcome.record.id for outcome in self._outcomes}
                self._settle([record for record in self.records if record.id not in finished])

    def claimed(self, records: Sequence[Record]) -> list[Record]:
        """Returns those of the given records that `claim_rest` has claimed."""
        return [record for record in records if record.id in self._claimed_ids]

    def roll_back(self) -> None:
        """Release all records that are still locked. Does nothing if `settle` or `claim_rest` has succeeded."""
        with self._lock:
            self.is_settled = True
            self._held.roll_back()

    def _settle(self, rest: list[Record], *, is_last: bool = False) -> None:
        self.is_settled = True
        try:
            self._claimed_ids = self._delivery.settle(self._held, self._outcomes, rest, is_last=is_last)
        except BaseException as error:  # noqa: BLE001  (the thread of the run raises it)
            self._failure = error

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

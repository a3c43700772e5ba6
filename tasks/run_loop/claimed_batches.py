"""Finds out whether the batches that a run claims are quick and clean (worker/quick_batches.py). After enough quick
and clean batches in a row, the run continues with express slices."""

import time

from ..worker.quick_batches import QuickBatches
from .delivery import Delivery


class ClaimedBatches:
    """The batches of one run. If the next batch is claimed before the current batch ends, each group of at least
    `batch_size` finished records counts as one batch."""

    def __init__(self, quick: QuickBatches, delivery: Delivery) -> None:
        self._quick = quick
        self._delivery = delivery
        self._is_cut = False
        self.begin()

    def begin(self) -> None:
        self._began_at = time.monotonic()
        self._count = 0
        self._troubles = self._count_troubles()

    def note(self, count: int) -> None:
        self._count += count
        if self._count >= self._delivery.current.run.batch_size:
            self.end(is_clean=True)
            self.begin()
            self._is_cut = True

    def end(self, *, is_clean: bool) -> None:
        if self._is_cut and not self._count:
            return
        is_clean = is_clean and self._count_troubles() == self._troubles
        self._quick.note_batch(time.monotonic() - self._began_at, is_clean=is_clean)

    def _count_troubles(self) -> int:
        return self._delivery.setbacks + self._delivery.current.progress_reports

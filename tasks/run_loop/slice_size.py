"""Decides how many records the next express slice may have: at least as many as a normal batch. If slices are quick,
the next slice may have more records, up to this process's fair part of the due records. The fair part does not limit
the first slice of a run if the run begins with this slice and another flow waits."""

import time

from queue_store.runs.fair_part import FairPart, fair_part
from queue_store.runs.run import Run
from queue_store.settings import ProcessorSettings

from ..authoring.flow import Flow
from ..worker.quick_batches import QuickBatches

# If a count of due records reached its limit, all slices of the next PLENTY_SECONDS use this count.
PLENTY_SECONDS = 0.2


class SliceSize:
    """Decides the sizes of the slices of one run, one after the other."""

    def __init__(self, flow: Flow, run: Run, settings: ProcessorSettings, quick: QuickBatches) -> None:
        self._flow = flow
        self._run = run
        self._settings = settings
        self._quick = quick
        self._part = FairPart(0, is_plenty=False)
        self._counted_at = 0.0
        self.is_last = False  # whether the next slice has all due records, and another flow waits

    def next(self) -> int:
        """Returns the size of the next slice. If the flow's author or an operator has set a batch size, returns that
        size. If the author of a batch handler did not ask for express, the handler never gets more records than in a
        normal batch. Raises what `fair_part` raises."""
        self.is_last = False
        size = self._run.batch_size
        is_set = self._flow.batch_size is not None or size != self._settings.batch_size
        if is_set or (self._flow.batch and not self._flow.express) or not self._run.last_was_full:
            return size
        wanted = min(self._quick.slice_size, self._settings.express_batch_size)
        if wanted <= size:
            return size
        part = self._fair_part()
        self.is_last = part.is_all and part.records <= wanted and self._run.new_successor is not None
        return max(size, min(wanted, part.records))

    def _fair_part(self) -> FairPart:
        run = self._run
        comes_first = run.options.first_slice > 0 and run.counts.batch_count == 0
        if comes_first and run.new_successor is not None:  # the other processes can run the next flow
            return FairPart(run.options.first_slice, is_plenty=False, is_all=True)
        now = time.monotonic()
        if not self._part.is_plenty or now >= self._counted_at + PLENTY_SECONDS:
            self._part = fair_part(self._run, self._settings.express_batch_size)
            self._counted_at = now
        return self._part

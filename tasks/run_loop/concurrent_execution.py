"""Runs handlers concurrently. The next batch is claimed while the last records of the current batch are still being
processed. A batch is claimed in advance only while the number of unstarted records is below the low-water mark."""

import time
from collections.abc import Sequence
from typing import Protocol

from queue_store.records.record import Cancelled, Record
from queue_store.runs.run import Run

from ..worker.shared_slots import NOTHING_IN_FLIGHT, SEVERAL_IN_FLIGHT
from .delivery import Delivery
from .executors import Executor

LOOK_SECONDS = 0.05
CLAIM_AGAIN_SECONDS = 0.5


def low_water(concurrency: int, batch_size: int) -> int:
    """Returns the low-water mark: the next batch is claimed when fewer unstarted records than this are left."""
    return max(2 * concurrency, batch_size // 2)


class Watcher(Protocol):
    """A watcher is notified when calls of handlers end. While `may_prefetch` returns False, the next batch is claimed
    only after the current batch has ended."""

    def note_done(self, count: int) -> None: ...

    def may_prefetch(self) -> bool: ...


class ConcurrentExecution:
    """Only the thread that owns the run uses this class."""

    def __init__(self, run: Run, delivery: Delivery, executor: Executor, concurrency: int) -> None:
        self._run = run
        self._delivery = delivery
        self._executor = executor
        self._low_water = low_water(concurrency, run.batch_size)
        self._claim_again_at = 0.0
        self._watcher: Watcher | None = None

    def watch(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def execute(self, records: Sequence[Record]) -> list[Record]:
        """Processes these records. Claims and processes further batches as long as prefetching is allowed and
        records are due. Returns the records that were not started."""
        slots = self._delivery.slots
        slots.put_in_flight(SEVERAL_IN_FLIGHT)
        self._submit(records)
        while self._executor.unreported_count:
            self._executor.wake.wait(LOOK_SECONDS)
            self._executor.wake.clear()
            self._report()
            if self._delivery.must_stop:
                return self._stop()
            self._submit(self._claim())
        slots.put_in_flight(NOTHING_IN_FLIGHT)
        return []

    def _submit(self, records: Sequence[Record]) -> None:
        """If only one record's handler is running, that record is stored as the record in flight. So if that record
        kills the process, no other record is suspected."""
        live = [record for record in records if not self._delivery.is_cancelled(record)]
        for record in records:
            if self._delivery.is_cancelled(record):
                self._delivery.report(Cancelled(record))
        if len(live) == 1 and not self._executor.unreported_count:
            self._delivery.slots.put_in_flight(live[0].id)
        elif live:
            self._delivery.slots.put_in_flight(SEVERAL_IN_FLIGHT)
        if live:
            self._executor.submit(live)

    def _report(self) -> None:
        outcomes = self._executor.take_outcomes()
        for outcome in outcomes:  # collect all outcomes first, because a write can wait for a lock
            self._delivery.collect(outcome)
        if self._watcher is not None:
            self._watcher.note_done(len(outcomes))
        self._delivery.flush_when_due()

    def _claim(self) -> Sequence[Record]:
        """Claims the next batch. Suspects and other records are never processed at the same time. Suspects are
        claimed in small batches, to find the record that kills its process. While the current batch still runs, the
        next claim is made in advance. If it is the suspects' turn and a suspect is due, a claim in advance returns
        nothing. So the run finishes its current batch, and then claims the suspect."""
        if self._watcher is not None and not self._watcher.may_prefetch():
            return []
        if not self._executor.unreported_count:
            return self._delivery.flush_and_claim()
        is_short = self._executor.unstarted_count < self._low_water and not self._run.claimer.claimed_suspects
        if not is_short or time.monotonic() < self._claim_again_at:
            return []
        records = self._delivery.flush_and_claim(prefetch=True)
        if not records:
            self._claim_again_at = time.monotonic() + CLAIM_AGAIN_SECONDS
        return records

    def _stop(self) -> list[Record]:
        """Waits for the handlers that are running, and returns the records that were not started."""
        unstarted = self._executor.withdraw()
        while self._executor.unreported_count:
            self._executor.wake.wait(LOOK_SECONDS)
            self._executor.wake.clear()
            self._report()
            unstarted += self._executor.withdraw()  # also a record whose task was cancelled before it began
        return unstarted

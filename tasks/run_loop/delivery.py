"""Writes outcomes to the database. Outcomes are collected into micro-batches, and every write is checked by the fence.
If the connection breaks, or if Postgres ends a deadlock by cancelling the write, the outcomes are written again. If an
outcome or its follow-up records prevent the write, only the record of that outcome fails (see apart.py)."""

import logging
import math
import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from queue_store.errors import ClaimLostError, ConflictError, DatabaseUnavailableError
from queue_store.plural import plural
from queue_store.records.record import Completed, Outcome, Record, Written
from queue_store.runs.commit_in_doubt import reopen_in_doubt
from queue_store.runs.express import HeldSlice
from queue_store.runs.outcomes import has_follow_ups
from queue_store.runs.succession import exchange_or_end

from ..authoring.flow import Flow
from ..exceptions import RunLostError
from ..worker.current_run import CurrentRun
from ..worker.shared_slots import SharedSlots
from .apart import LOCKED_SECONDS, NOT_WRITTEN, write_apart
from .time_slice import TimeSlice

logger = logging.getLogger(__name__)

CONFLICT_TRIES = 10
TOGETHER_SECONDS = 2.0  # a micro-batch that meets conflicts for this long is not tried again as a whole
WRITE_AGAIN_SECONDS = 60.0
PAUSE_SECONDS = 0.2

R = TypeVar("R")


class Delivery:
    """The thread that works on the run uses this class. Other threads may also read `unwritten`. A thread that claims
    the rest of an express slice may also call `settle`."""

    def __init__(
        self,
        current: CurrentRun,
        micro_batch_seconds: float,
        slots: SharedSlots,
        hint: Callable[[str, str], object],
        time_slice: TimeSlice,
        flow: Flow,
    ) -> None:
        self.current = current
        self._flow = flow
        self.slots = slots
        self._hint = hint
        self._run = current.run
        self._micro_batch_seconds = micro_batch_seconds
        self.setbacks = 0  # outcomes other than completed, or slices that have such an outcome
        self._outcomes: list[Outcome] = []
        self._being_written: Sequence[Outcome] = ()
        self._flush_at = 0.0
        self._time_slice = time_slice

    @property
    def must_stop(self) -> bool:
        """Whether the run must stop. The run checks this property between two records. If the run must stop, the rest
        of the batch is given back."""
        return self._is_asked_to_stop or self._time_slice.is_over()

    @property
    def _is_asked_to_stop(self) -> bool:
        current = self.current
        return (
            self.slots.is_stopping
            or current.is_lost
            or current.flow_is_closed
            or current.process_is_full
            or current.is_in_the_way
        )

    def is_cancelled(self, record: Record) -> bool:
        return record.id in self.current.cancelled_ids

    def report(self, outcome: Outcome) -> None:
        """Add the outcome to the micro-batch, and write the micro-batch if its first outcome is at least
        `micro_batch_seconds` old. The last micro-batch of a batch is written together with the next claim."""
        self.collect(outcome)
        if time.monotonic() >= self._flush_at:
            self.flush()

    def collect(self, outcome: Outcome) -> None:
        if not self._outcomes:
            self._flush_at = time.monotonic() + self._micro_batch_seconds
        self._outcomes.append(outcome)
        if outcome.__class__ is not Completed:
            self.setbacks += 1

    @property
    def unwritten(self) -> list[Outcome]:
        """The outcomes that are not written yet or are being written. Other threads may read this."""
        collected = list(self._outcomes)  # read before `_being_written`, because `_take` fills that first
        return list({id(outcome): outcome for outcome in [*self._being_written, *collected]}.values())

    def flush_when_due(self) -> None:
        if self._outcomes and time.monotonic() >= self._flush_at:
            self.flush()

    def release(self, records: list[Record]) -> None:
        """Give back records that were not started."""
        if records:
            self._retried(lambda: self._run.release(records))

    def flush(self) -> None:
        if outcomes := self._take():
            self._write(outcomes)

    def _take(self) -> list[Outcome]:
        self._being_written = outcomes = self._outcomes
        self._outcomes = []
        return outcomes

    def flush_and_claim(self, *, prefetch: bool = False) -> list[Record]:
        """Write the outcomes and claim the next batch. Does nothing if the run has ended. Raises RunLostError if the
        database cannot be reached any more, because the run cannot know whether its claim was committed."""
        if self._run.is_ended:
            return []
        outcomes, run = self._take(), self._run
        run.batch_size = self.current.batch_size or run.batch_size
        records: list[Record] = []
        try:
            written, records = run.exchange(outcomes) if prefetch else exchange_or_end(run, outcomes)
            self.wrote(written)
            self._being_written = ()
        except NOT_WRITTEN:
            self._write(outcomes)
        except DatabaseUnavailableError as error:
            if outcomes:
                self._write(outcomes, again=True)
            raise RunLostError("the database became unavailable during a claim") from error
        return records if records or run.is_ended else self._claim(prefetch)

    def settle(
        self, held: HeldSlice, outcomes: list[Outcome], rest: list[Record], *, is_last: bool
    ) -> set[int]:
        """Write the outcomes of an express slice, claim the records of `rest`, and release all other records of the
        slice. Returns the ids of the claimed records. `is_last`: if nothing is due, end the run."""
        try:
            written, claimed_ids = held.settle(outcomes, rest, is_last=is_last)
        except (*NOT_WRITTEN, DatabaseUnavailableError) as error:
            may_be_refused = not isinstance(error, ConflictError | DatabaseUnavailableError)
            return self._settle_again(held, outcomes, rest, may_be_refused=may_be_refused)
        self.wrote(written)
        return claimed_ids

    def _settle_again(
        self, held: HeldSlice, outcomes: list[Outcome], rest: list[Record], *, may_be_refused: bool
    ) -> set[int]:
        """An UPDATE overwrites the slice's mark, even if it is rolled back. So an outcome that the database may refuse
        is written in two steps: the record is claimed, and then its outcome is written as for any claimed record."""
        claimed_first = [o for o in outcomes if may_be_refused or has_follow_ups([o])]
        at_once = [o for o in outcomes if not (may_be_refused or has_follow_ups([o]))]
        records = [*(outcome.record for outcome in claimed_first), *rest]
        written, claimed_ids = self._write_again(lambda: held.settle_again(at_once, records))
        self.wrote(written)
        if claimed_first:
            self._write(claimed_first, again=True)
        return claimed_ids.intersection(record.id for record in rest)

    def wrote(self, written: Written) -> None:
        for flow_name, celery_queue in written.flows_to_hint:
            self._hint(flow_name, celery_queue)
        if written.refused_ids:
            logger.warning(
                "another claim has taken %s of run %s, so no outcome was written for these ids: %s",
                plural(len(written.refused_ids)), self._run.flow_instance_id, written.refused_ids[:10],
            )  # fmt: skip

    def _claim(self, prefetch: bool) -> list[Record]:
        try:
            return self._retried(lambda: self._run.claim(prefetch=prefetch, or_end=not prefetch))
        except DatabaseUnavailableError as error:
            raise RunLostError("the database became unavailable during a claim") from error

    def _write(self, outcomes: Sequence[Outcome], *, again: bool = False) -> None:
        """`again`: whether an earlier COMMIT may already have written the outcomes."""
        run, self._being_written = self._run, outcomes
        try:
            if again:
                written = self._write_again(lambda: run.write_again(outcomes))
            else:
                written = self._written(lambda: run.write(outcomes), lambda: run.write_again(outcomes))
        except NOT_WRITTEN as error:
            logger.warning(
                "run %s writes its outcomes apart because of %s", run.flow_instance_id, type(error).__name__
            )
            self.setbacks += 1
            ends_at = time.monotonic() + LOCKED_SECONDS
            write_apart(self._flow, outcomes, self._write_part, may_wait=lambda: self._may_wait(ends_at))
        else:
            self.wrote(written)
        self._being_written = ()

    def _may_wait(self, ends_at: float) -> bool:
        """Whether an outcome may wait for a lock. Raises RunLostError if the run is lost, because then the fence
        refuses the outcomes, or `abort_process` writes them."""
        if self.current.is_lost:
            raise RunLostError("this run is lost, so it writes no further outcome")
        return time.monotonic() < ends_at and not self._is_asked_to_stop

    def _write_part(self, outcomes: Sequence[Outcome]) -> None:
        """Raises NOT_WRITTEN."""
        run = self._run
        try:
            written = run.write_again(outcomes)
        except DatabaseUnavailableError:
            written = self._write_again(lambda: run.write_again(outcomes))
        self.wrote(written)
        done = {outcome.record.id for outcome in outcomes}
        self._being_written = [outcome for outcome in self._being_written if outcome.record.id not in done]

    def _written(self, write: Callable[[], R], write_again: Callable[[], R]) -> R:
        try:
            return self._retried(write, TOGETHER_SECONDS)
        except DatabaseUnavailableError:
            return self._write_again(write_again)

    def _write_again(self, write_again: Callable[[], R]) -> R:
        """Write outcomes that may have been written already. The fence writes no outcome twice. Raises RunLostError if
        the run is over, or if the database cannot be reached for WRITE_AGAIN_SECONDS (at a shutdown: at once)."""
        deadline = time.monotonic() + WRITE_AGAIN_SECONDS
        while True:
            try:
                reopen_in_doubt(self._run)
                return self._retried(write_again)
            except ClaimLostError:
                raise RunLostError("this run is over: it has ended, or was declared dead") from None
            except DatabaseUnavailableError as error:
                if time.monotonic() > deadline or self.slots.is_stopping:
                    raise RunLostError("the database stayed unavailable") from error
                time.sleep(PAUSE_SECONDS * (0.5 + random.random()))  # noqa: S311

    def _retried(self, write: Callable[[], R], seconds: float = math.inf) -> R:
        """Repeats a write that meets a conflict, at most CONFLICT_TRIES times, and only within `seconds`."""
        ends_at = time.monotonic() + seconds
        for _ in range(CONFLICT_TRIES):
            try:
                return write()
            except ConflictError:
                if time.monotonic() > ends_at:
                    raise
                time.sleep(PAUSE_SECONDS * random.random())  # noqa: S311
        return write()

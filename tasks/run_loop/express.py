"""Express runs: quick handlers run while their records are locked, and each record is written once.

A run begins with a claim, or with a slice (first_slice.py). If the last batches of its flow were quick and clean
(worker/quick_batches.py), the run continues with slices. A slice comes next only if the previous claim or slice was
full, because otherwise hardly any more records are due. These records are always claimed in the normal way: suspects;
records that have an order key, a failed attempt or a crash strike; records whose earlier claim or slice ended without
an outcome. A batch that starts at the priority level that has waited longest is also claimed in the normal way. If a
slice becomes long, a second thread claims its unfinished records. If a record is not completed, the slice ends. After a
slice that became long or ended early, the flow's records are claimed in the normal way. See docs/architecture.md,
"Express slices".
"""

import time
from collections.abc import Callable, Sequence

from queue_store.errors import ConflictError, DatabaseUnavailableError
from queue_store.records.record import Outcome, Record
from queue_store.runs.express import HeldSlice, NotExpressError, has_died_lately, hold
from queue_store.runs.run import Run
from queue_store.settings import ProcessorSettings

from ..authoring.flow import Flow
from ..exceptions import RunLostError
from ..worker.quick_batches import LONG_SECONDS
from ..worker.services import WorkerServices
from ..worker.shared_slots import NOTHING_IN_FLIGHT, SEVERAL_IN_FLIGHT
from .claimed_batches import ClaimedBatches
from .delivery import Delivery
from .execution import Execution
from .executors import AsyncExecutor
from .slice_in_hand import SliceInHand
from .slice_size import SliceSize

WAIT_SECONDS = 0.05
UNWRITTEN_SECONDS = LONG_SECONDS  # An outcome is written only at the end of its slice.
FEWEST_RECORDS = 20  # In smaller slices, the extra round trip costs more than the saved write.
LOOK_AGAIN_SECONDS = 10.0  # The time between two checks whether a run of the flow has died.

Call = Callable[[Sequence[Record]], Sequence[Outcome]]


def may_be_express(flow: Flow, settings: ProcessorSettings) -> bool:
    """Returns whether runs of the flow may be express. The statement queue_store/sql/runs/hold_records.sql decides
    which records may be in a slice. No flow is express if EXPRESS_BATCH_SIZE is 0. A flow with `express=False`, with
    concurrency, or with its own limit of one crash strike is never express. A flow without `express=True` is not
    express if EXPRESS_BY_ITSELF is off, if the flow's outcomes must not wait for the end of a slice, or if
    MAX_CRASH_STRIKES is 1. A crash in an express slice gives no crash strike, so with a limit of one strike, a record
    would get one attempt too many."""
    is_off = flow.express is False or settings.express_batch_size == 0
    if is_off or flow.concurrency > 1 or flow.max_crash_strikes == 1:
        return False
    if flow.express:
        return True
    most_unwritten_seconds = min(flow.most_unwritten_seconds, settings.micro_batch_seconds)
    may_wait = most_unwritten_seconds >= UNWRITTEN_SECONDS
    return settings.express_by_itself and settings.max_crash_strikes > 1 and may_wait


def is_large_enough(flow: Flow, batch_size: int) -> bool:
    return batch_size >= FEWEST_RECORDS or bool(flow.express)


class Express:
    """Works on the slices of one run. `execution` executes the batches that the run claims. This class notes whether
    the claimed batches are quick and clean. `call`: either a function that calls the handler with records and returns
    an outcome for each record, or the executor that makes the calls. `put_back` is called after each slice, and undoes
    the handlers' changes to the process."""

    def __init__(
        self,
        services: WorkerServices,
        flow: Flow,
        run: Run,
        delivery: Delivery,
        execution: Execution,
        call: Call | AsyncExecutor,
        put_back: Callable[[], None],
    ) -> None:
        self._flow = flow
        self._run = run
        self._delivery = delivery
        self._settings = services.settings
        self._quick = services.quick_batches[flow.name]
        if flow.express:
            self._quick.trust()
        self._batches = ClaimedBatches(self._quick, delivery)
        self._size = SliceSize(flow, run, services.settings, self._quick)
        self._execution = execution
        self._call = call
        self._put_back = put_back
        self._watch = services.slice_watch

    def execute(self, records: list[Record]) -> list[Record]:
        """Returns the records that were not started."""
        self._batches.begin()
        unstarted = self._execution.execute(records)
        self._batches.end(is_clean=not unstarted)
        return unstarted

    def note_done(self, count: int) -> None:
        self._batches.note(count)

    def may_prefetch(self) -> bool:
        """Returns False if a slice comes next: that slice will need the connection and the next records. A run never
        works on a batch and a slice at the same time."""
        return not self._is_next()

    def next_batch(self) -> list[Record]:
        """Work on slices as long as slices are allowed. Then return a claimed batch: the rest of a slice that became
        long, or the next batch. The list is empty if the run must stop or no record is due."""
        while self._is_next():
            self._delivery.flush()  # the slice will use the connection
            if (rest := self._work_on_next()) is None:
                break
            if rest:
                return rest
        if self._delivery.must_stop:
            self._delivery.flush()
            return []
        return self._delivery.flush_and_claim()

    def _is_next(self) -> bool:
        """Whether a slice comes next, and not a claim. If the last claim or slice was not full, hardly any records are
        due. Then a claim comes next, because one transaction writes the outcomes and claims, which costs less. If
        `has_all` is True, no slice comes next, because the next transaction tries to end the run."""
        run, quick = self._run, self._quick
        is_small = not is_large_enough(self._flow, run.batch_size)
        if (
            is_small
            or not quick.are_enough
            or not run.last_was_full
            or run.has_all
            or run.is_ended
            or self._delivery.must_stop
        ):
            return False
        must_be_claimed = run.claimer.next_is_for_suspects or run.position.uses_key_scan
        return not must_be_claimed and not (quick.is_suspicious and not self._must_look_again())

    def _work_on_next(self) -> list[Record] | None:
        """Works on one slice. Returns the slice's records that were claimed, but whose handlers have not started.
        Returns None if no slice is possible: the next batch must be claimed in the normal way."""
        held = self._hold()
        return None if held is None else self._work_on(SliceInHand(held, self._delivery))

    def _hold(self) -> HeldSlice | None:
        """Locks the records of the next slice. Returns None if the next batch must be claimed in the normal way.
        Raises RunLostError."""
        run = self._run
        run.batch_size = self._delivery.current.batch_size or run.batch_size
        try:
            if self._is_suspicious():
                return None
            size = self._size.next()
            return hold(run, size, self._settings.lease_seconds)
        except NotExpressError:
            self._quick.note_thrown_back()
        except ConflictError:
            pass
        except DatabaseUnavailableError as error:
            raise RunLostError("the database became unavailable during a claim") from error
        return None

    def _is_suspicious(self) -> bool:
        """Whether a run of the flow has died within the last SUSPICIOUS_SECONDS."""
        quick = self._quick
        if self._must_look_again():
            quick.is_suspicious = has_died_lately(self._run)
            quick.looked_at = time.monotonic()
        return quick.is_suspicious

    def _must_look_again(self) -> bool:
        return time.monotonic() >= self._quick.looked_at + LOOK_AGAIN_SECONDS

    def _work_on(self, slice_in_hand: SliceInHand) -> list[Record]:
        """Returns the records that were claimed but not started."""
        began_at, delivery = time.monotonic(), self._delivery
        self._watch.watch(slice_in_hand.claim_rest, LONG_SECONDS)
        delivery.current.claim_slice = slice_in_hand.claim_rest
        try:
            unstarted = self._execute(slice_in_hand)
            is_thrown_back = slice_in_hand.is_settled or slice_in_hand.has_setbacks
            slice_in_hand.settle(is_last=self._size.is_last)
        finally:
            self._watch.forget()
            delivery.current.claim_slice = None
            slice_in_hand.roll_back()
            self._put_back()
        if is_thrown_back:
            self._quick.note_thrown_back()
        elif unstarted:
            self._quick.was_interrupted = True
        else:
            self._note_slice(time.monotonic() - began_at, len(slice_in_hand.records))
        return self._keep_a_batch(slice_in_hand.claimed(unstarted))

    def _note_slice(self, seconds: float, size: int) -> None:
        self._quick.note_slice(seconds, size)

    def _keep_a_batch(self, claimed: list[Record]) -> list[Record]:
        """Gives back all records beyond one batch. If the flow has become slow, other processes can then claim the
        records that were given back."""
        size = self._run.batch_size
        if len(claimed) > size:
            self._delivery.flush()
            self._delivery.release(claimed[size:])
        return claimed[:size]

    def _execute(self, slice_in_hand: SliceInHand) -> list[Record]:
        """Calls the handlers one after the other. Stops early if a handler does not complete its record, if the second
        thread has claimed the rest of the slice, or if the run must stop. Returns the records that were not started."""
        if isinstance(self._call, AsyncExecutor):
            return self._execute_async(slice_in_hand, self._call)
        records, slots = slice_in_hand.records, self._delivery.slots
        calls = [records] if self._flow.batch else [[record] for record in records]
        for number, call in enumerate(calls):
            if self._must_end(slice_in_hand):
                return records[number:]
            slots.put_in_flight(call[0].id if len(call) == 1 else SEVERAL_IN_FLIGHT)
            outcomes = self._call(call)
            slots.put_in_flight(NOTHING_IN_FLIGHT)
            slice_in_hand.report(outcomes)
        return []

    def _must_end(self, slice_in_hand: SliceInHand) -> bool:
        return slice_in_hand.is_settled or slice_in_hand.has_setbacks or self._delivery.must_stop

    def _execute_async(self, slice_in_hand: SliceInHand, executor: AsyncExecutor) -> list[Record]:
        records, slots = slice_in_hand.records, self._delivery.slots
        unstarted: list[Record] = []
        slots.put_in_flight(records[0].id if len(records) == 1 else SEVERAL_IN_FLIGHT)
        executor.stops_at_setbacks = True
        executor.submit(records)
        while executor.unreported_count:
            executor.wake.wait(WAIT_SECONDS)
            executor.wake.clear()
            slice_in_hand.report(executor.take_outcomes())
            if self._must_end(slice_in_hand):
                unstarted += executor.withdraw()
        executor.stops_at_setbacks = False
        slots.put_in_flight(NOTHING_IN_FLIGHT)
        return unstarted

"""Express runs: quick handlers run while their records are locked, and each record is written once.

A run begins with a claim. It goes on with slices where its flow asks for `express=True` and its batches were quick and
clean lately. Others are claimed as always: suspects, records with an order key, records that had their
express attempt, and each batch that begins at the longest waiting level. A slice that becomes long is claimed by a
second thread, and its flow is claimed as always then. docs/architecture.md, "Express slices".
"""

import time
from collections.abc import Callable, Sequence

from queue_store.errors import ConflictError, DatabaseUnavailableError
from queue_store.records.record import Outcome, Record
from queue_store.runs.express import HeldSlice, NotExpressError, has_died_lately, hold
from queue_store.runs.run import Run

from ..authoring.flow import Flow
from ..exceptions import RunLostError
from ..worker.quick_batches import LONG_SECONDS
from ..worker.services import WorkerServices
from ..worker.shared_slots import NOTHING_IN_FLIGHT, SEVERAL_IN_FLIGHT
from .delivery import Delivery
from .execution import Execution
from .executors import Executor
from .slice_in_hand import SliceInHand, SliceWatch
from .slice_size import SliceSize

WAIT_SECONDS = 0.05
LOOK_AGAIN_SECONDS = 10.0  # whether a run of the flow died; until then its records have their marks

Call = Callable[[Sequence[Record]], Sequence[Outcome]]


def may_be_express(flow: Flow) -> bool:
    """The predicate of flows. The one of records is in queue_store/sql/runs/hold_records.sql."""
    return flow.express and flow.concurrency == 1


class Express:
    """The slices of one run, and its claimed batches, whose `execution` it measures. `call`: from the records of one
    call of the handler to an outcome for each, or the executor that makes the calls. `put_back`: after each slice."""

    def __init__(
        self,
        services: WorkerServices,
        flow: Flow,
        run: Run,
        delivery: Delivery,
        execution: Execution,
        call: Call | Executor,
        put_back: Callable[[], None],
    ) -> None:
        self._flow = flow
        self._run = run
        self._delivery = delivery
        self._settings = services.settings
        self._quick = services.quick_batches[flow.name]
        self._size = SliceSize(flow, run, services.settings, self._quick)
        self._execution = execution
        self._call = call
        self._put_back = put_back
        self._watch = SliceWatch()

    def execute(self, records: list[Record]) -> list[Record]:
        """Returns the records that were not started."""
        setbacks, began_at = self._delivery.setbacks, time.monotonic()
        self._size.note(self._run.batch_size, len(records))
        unstarted = self._execution.execute(records)
        is_clean = not unstarted and self._delivery.setbacks == setbacks
        self._quick.note_batch(time.monotonic() - began_at, is_clean=is_clean)
        return unstarted

    def next_batch(self) -> list[Record]:
        """Work on slices as long as they may be next. Then return a batch that was claimed: the rest of a slice that
        became long, or the one that is next. None where the run must stop."""
        while self._is_next():
            self._delivery.flush()  # the connection is the slice's from here on
            if (rest := self._work_on_next()) is None:
                break
            if rest:
                return rest
        if self._delivery.must_stop:
            self._delivery.flush()
            return []
        return self._delivery.flush_and_claim()

    def end(self) -> None:
        self._watch.end()

    def _is_next(self) -> bool:
        run = self._run
        must_be_claimed = run.claimer.next_is_for_suspects or run.position.uses_key_scan
        return self._quick.are_enough and not must_be_claimed and not self._delivery.must_stop

    def _work_on_next(self) -> list[Record] | None:
        """Returns what of the slice was claimed and not started. None: claim as always."""
        held = self._hold()
        return None if held is None else self._work_on(SliceInHand(held, self._delivery))

    def _hold(self) -> HeldSlice | None:
        """None: claim as always. Raises RunLostError."""
        run = self._run
        run.batch_size = self._delivery.current.batch_size or run.batch_size
        try:
            if self._is_suspicious():
                return None
            size = self._size.next()
            held = hold(run, size, self._settings.lease_seconds)
            self._size.note(size, len(held.records) if held else 0)
            return held
        except NotExpressError:
            self._quick.note_batch(0, is_clean=False)
        except ConflictError:
            pass
        except DatabaseUnavailableError as error:
            raise RunLostError("the database went away during a claim") from error
        return None

    def _is_suspicious(self) -> bool:
        """Whether a run of the flow died lately."""
        quick = self._quick
        if time.monotonic() >= quick.looked_at + LOOK_AGAIN_SECONDS:
            quick.is_suspicious = has_died_lately(self._run)
            quick.looked_at = time.monotonic()
        return quick.is_suspicious

    def _work_on(self, slice_in_hand: SliceInHand) -> list[Record]:
        """Returns what was claimed and not started."""
        began_at, delivery = time.monotonic(), self._delivery
        if not self._watch.is_alive():
            self._watch.start()
        self._watch.watch(slice_in_hand, LONG_SECONDS)
        delivery.current.claim_slice = slice_in_hand.claim_rest
        try:
            unstarted = self._execute(slice_in_hand)
            is_long = slice_in_hand.is_settled
            slice_in_hand.settle()
        finally:
            self._watch.forget()
            delivery.current.claim_slice = None
            slice_in_hand.roll_back()
            self._put_back()
        if is_long:
            self._quick.note_long_slice()
        elif not unstarted:
            self._quick.note_slice(time.monotonic() - began_at, len(slice_in_hand.records))
        return self._keep_a_batch(slice_in_hand.claimed(unstarted))

    def _keep_a_batch(self, claimed: list[Record]) -> list[Record]:
        """What is not quick any more is not kept from others: more than a batch of it is given back."""
        size = self._run.batch_size
        if len(claimed) > size:
            self._delivery.flush()
            self._delivery.release(claimed[size:])
        return claimed[:size]

    def _execute(self, slice_in_hand: SliceInHand) -> list[Record]:
        """Returns the records that were not started."""
        if isinstance(self._call, Executor):
            return self._execute_async(slice_in_hand, self._call)
        records, slots = slice_in_hand.records, self._delivery.slots
        calls = [records] if self._flow.batch else [[record] for record in records]
        for number, call in enumerate(calls):
            if slice_in_hand.is_settled or self._delivery.must_stop:
                return records[number:]
            slots.put_in_flight(call[0].id if len(call) == 1 else SEVERAL_IN_FLIGHT)
            outcomes = self._call(call)
            slots.put_in_flight(NOTHING_IN_FLIGHT)
            slice_in_hand.report(outcomes)
        return []

    def _execute_async(self, slice_in_hand: SliceInHand, executor: Executor) -> list[Record]:
        records, slots = slice_in_hand.records, self._delivery.slots
        unstarted: list[Record] = []
        slots.put_in_flight(records[0].id if len(records) == 1 else SEVERAL_IN_FLIGHT)
        executor.submit(records)
        while executor.unreported_count:
            executor.wake.wait(WAIT_SECONDS)
            executor.wake.clear()
            slice_in_hand.report(executor.take_outcomes())
            if slice_in_hand.is_settled or self._delivery.must_stop:
                unstarted += executor.withdraw()
        slots.put_in_flight(NOTHING_IN_FLIGHT)
        return unstarted

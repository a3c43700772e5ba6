"""Calls handlers one after the other, with one record or one batch each. The run opens no transaction for these
calls."""

from collections.abc import Callable, Sequence

from queue_store.records.record import Cancelled, Outcome, Record

from ..worker.shared_slots import NOTHING_IN_FLIGHT, SEVERAL_IN_FLIGHT
from .attempt import Attempts
from .delivery import Delivery


class OneByOne:
    def __init__(self, attempts: Attempts, delivery: Delivery) -> None:
        self._attempts = attempts
        self._delivery = delivery

    def execute(self, records: Sequence[Record]) -> list[Record]:
        """Returns the records whose handlers were not started."""
        delivery, slots = self._delivery, self._delivery.slots
        for position, record in enumerate(records):
            if delivery.must_stop:
                return list(records[position:])
            if delivery.is_cancelled(record):
                delivery.report(Cancelled(record))
                continue
            slots.put_in_flight(record.id)
            outcome = self._attempts.attempt_plainly(record)
            slots.put_in_flight(NOTHING_IN_FLIGHT)
            delivery.report(outcome)
        return []


class BatchByBatch:
    """`call`: calls the batch handler with records, and returns an outcome for each."""

    def __init__(self, call: Callable[[Sequence[Record]], list[Outcome]], delivery: Delivery) -> None:
        self._call = call
        self._delivery = delivery

    def execute(self, records: Sequence[Record]) -> list[Record]:
        delivery, slots = self._delivery, self._delivery.slots
        if delivery.must_stop:
            return list(records)
        live = [record for record in records if not delivery.is_cancelled(record)]
        for record in records:
            if delivery.is_cancelled(record):
                delivery.collect(Cancelled(record))
        if live:
            slots.put_in_flight(live[0].id if len(live) == 1 else SEVERAL_IN_FLIGHT)
            outcomes = self._call(live)
            slots.put_in_flight(NOTHING_IN_FLIGHT)
            for outcome in outcomes:
                delivery.collect(outcome)
        delivery.flush_when_due()
        return []

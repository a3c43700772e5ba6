"""One call of a batch handler: n records in, an outcome for each out."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from queue_store.records.record import Cancelled, Outcome, Record, Snooze

from ..authoring.context import FlowContext
from ..exceptions import RecordCancelled
from .attempt import Attempts


class BatchAttempts(Attempts):
    """The handler returns None (all are completed), a list in the order of the records, or a dictionary by record id;
    an exception in it is that record's failure, snooze or cancel. What it raises is the failure of all."""

    def attempt_batch(self, records: Sequence[Record], transaction: Any = None) -> list[Outcome]:
        started = time.monotonic()
        contexts, outcomes = self._decoded(records, started)
        if not contexts:
            return outcomes
        given = self.arguments(None, transaction)
        try:
            returned = self.limited(list(records), self._call_batch, contexts, given)
            return outcomes + self._each(contexts, returned, started)
        except BaseException as error:  # noqa: BLE001
            return outcomes + self._all(contexts, started, error)

    async def attempt_batch_async(self, records: Sequence[Record], transaction: Any = None) -> list[Outcome]:
        """The same for an `async def` handler."""
        started = time.monotonic()
        contexts, outcomes = self._decoded(records, started)
        if not contexts:
            return outcomes
        call = self._call_batch_async(contexts, self.arguments(None, transaction))
        try:
            returned = await self.limited_async(list(records), call)
            return outcomes + self._each(contexts, returned, started)
        except BaseException as error:  # noqa: BLE001
            return outcomes + self._all(contexts, started, error)

    def _call_batch(self, contexts: list[FlowContext], given: dict[str, Any]) -> Any:
        if self._observe is None:
            return self.handler(contexts, **given)
        with self._observe.batch([context.record for context in contexts]):
            return self.handler(contexts, **given)

    async def _call_batch_async(self, contexts: list[FlowContext], given: dict[str, Any]) -> Any:
        if self._observe is None:
            return await self.handler(contexts, **given)
        with self._observe.batch([context.record for context in contexts]):
            return await self.handler(contexts, **given)

    def _decoded(self, records: Sequence[Record], started: float) -> tuple[list[FlowContext], list[Outcome]]:
        """A payload that cannot be decoded fails alone."""
        limit = self.declared.time_limit_seconds
        contexts: list[FlowContext] = []
        outcomes: list[Outcome] = []
        for record in records:
            context = FlowContext(record, self.run_side, None if limit is None else started + limit)
            try:
                context.payload  # noqa: B018
                contexts.append(context)
            except BaseException as error:  # noqa: BLE001
                outcomes.append(self.outcome_of(record, started, error))
        return contexts, outcomes

    def _all(self, contexts: list[FlowContext], started: float, error: BaseException) -> list[Outcome]:
        """A call that was given up for a record that was asked to stop charges no other: those come again."""
        records = [context.record for context in contexts]
        asked = [record for record in records if self.run_side.is_cancelled(record)]
        if isinstance(error, RecordCancelled) and asked:
            return [Cancelled(record) if record in asked else Snooze(record, 0) for record in records]
        return [self.outcome_of(record, started, error) for record in records]

    def _each(self, contexts: list[FlowContext], returned: Any, started: float) -> list[Outcome]:
        values = _by_record_id(contexts, returned)
        return [self._one(context, values, started) for context in contexts]

    def _one(self, context: FlowContext, values: Mapping[int, Any], started: float) -> Outcome:
        record = context.record
        try:
            if record.id not in values:
                raise LookupError("the batch handler returned no outcome for this record")
            value = values[record.id]
            if isinstance(value, BaseException):
                raise value
            return self.completed(record, context, started, value)
        except BaseException as error:  # noqa: BLE001
            return self.outcome_of(record, started, error)


def _by_record_id(contexts: list[FlowContext], returned: Any) -> Mapping[int, Any]:
    """Raises TypeError or ValueError for what cannot be told apart by record."""
    ids = [context.record_id for context in contexts]
    if returned is None:
        return dict.fromkeys(ids)
    if isinstance(returned, Mapping):
        if strangers := set(returned) - set(ids):
            raise ValueError(
                f"the batch handler returned outcomes for {len(strangers)} record(s) it was not given"
            )
        return returned
    if not isinstance(returned, list | tuple):
        raise TypeError(
            f"a batch handler returns None, a list or a dictionary, not {type(returned).__name__}"
        )
    if len(returned) != len(ids):
        raise ValueError(f"the batch handler returned {len(returned)} outcomes for {len(ids)} records")
    return dict(zip(ids, returned, strict=True))

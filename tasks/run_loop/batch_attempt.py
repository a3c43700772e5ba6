"""One call of a batch handler. The handler gets several records and returns an outcome for each of them."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from queue_store.plural import plural
from queue_store.records.record import Cancelled, Completed, Outcome, Record, Snooze

from ..authoring.context import FlowContext
from ..exceptions import RecordCancelled
from .attempt import Attempts, GivenTransaction
from .exception_groups import decisive
from .guest import end_a_fork


class BatchAttempts(Attempts):
    """Calls a batch handler. The handler returns None (all records are completed), a list in the order of the
    records, or a dictionary by record id. If the handler returns an exception for a record, that record fails, is
    snoozed or is cancelled. An exception that the handler raises applies to all records: see `_all`."""

    async def attempt_batch(
        self, records: Sequence[Record], transaction: GivenTransaction | None = None
    ) -> list[Outcome]:
        started = time.monotonic()
        contexts, outcomes = self._decoded(records, started)
        if not contexts:
            return outcomes
        live = [context.record for context in contexts]
        self.open_calls[live[0].id] = live, started
        try:
            try:
                with self.around(live):
                    returned = self.flow.handler(contexts, **self.arguments(None, transaction))
                    if self.flow.is_async:
                        returned = await returned
                    if transaction is not None:
                        await transaction.settle()
            finally:
                end_a_fork()
                self.open_calls.pop(live[0].id, None)
            return outcomes + self._each(contexts, returned, started)
        except BaseException as error:  # noqa: BLE001
            self.limits.lift(live)
            return outcomes + self._all(contexts, started, error, transaction)

    def _decoded(self, records: Sequence[Record], started: float) -> tuple[list[FlowContext], list[Outcome]]:
        """Returns the contexts of the records. If a record's payload cannot be decoded, only that record fails: it gets
        an outcome instead of a context."""
        contexts: list[FlowContext] = []
        outcomes: list[Outcome] = []
        for record in records:
            context = self.context(record, started)
            try:
                context.__dict__["payload"] = (
                    record.payload
                )  # Python 3.11 locks each first access of a cached property
                contexts.append(context)
            except BaseException as error:  # noqa: BLE001
                outcomes.append(self.outcome_of(record, started, error))
        return contexts, outcomes

    def _all(
        self,
        contexts: list[FlowContext],
        started: float,
        error: BaseException,
        transaction: GivenTransaction | None,
    ) -> list[Outcome]:
        """Returns the outcomes of a batch whose handler raised an exception. If the exception is RecordCancelled and
        some records were asked to stop, these records are cancelled. The other records are claimed again, and no
        attempt is charged. In all other cases, the exception decides the outcome of each record."""
        records = [context.record for context in contexts]
        asked = [record for record in records if self.run_side.is_cancelled(record)]
        if asked and issubclass(type(decisive(error)), RecordCancelled):
            return [Cancelled(record) if record in asked else Snooze(record, 0) for record in records]
        return [self.outcome_of(record, started, error, transaction) for record in records]

    def _each(self, contexts: list[FlowContext], returned: Any, started: float) -> list[Outcome]:
        if returned is None:
            finished = time.monotonic()
            return [Completed(c.record, started, finished, None, c.follow_ups) for c in contexts]
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
    """Raises TypeError or ValueError if the returned values cannot be matched with the records."""
    ids = [context.record_id for context in contexts]
    if isinstance(returned, Mapping):
        if strangers := set(returned) - set(ids):
            raise ValueError(
                f"the batch handler returned outcomes for {plural(len(strangers))} it was not given"
            )
        return returned
    if not isinstance(returned, list | tuple):
        raise TypeError(
            f"a batch handler returns None, a list or a dictionary, not {type(returned).__name__}"
        )
    if len(returned) != len(ids):
        raise ValueError(f"the batch handler returned {len(returned)} outcomes for {len(ids)} records")
    return dict(zip(ids, returned, strict=True))

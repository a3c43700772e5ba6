"""One attempt. Calls the handler with one record, and turns the result or the error into an outcome."""

import inspect
import logging
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import Any, Protocol

from queue_store.errors import ConflictError
from queue_store.records.payload import RESULT_LIMIT_BYTES, encode_json
from queue_store.records.record import Cancelled, Completed, Outcome, Record, Snooze

from ..authoring.context import FlowContext, RunSide
from ..authoring.flow import Flow
from ..exceptions import PermanentError, RecordCancelled, RunLostError, SnoozeRecord
from ..observing import observer
from .exception_groups import decisive
from .failures import failure_of
from .guest import end_a_fork, run_as_guest
from .limits import Limits
from .transactions import SessionEndedError

NOT_CHARGED = (ConflictError, RunLostError, SessionEndedError)  # raised by `GivenTransaction.charged`

logger = logging.getLogger(__name__)


class GivenTransaction(Protocol):
    """The transaction that a handler gets, with the methods that an attempt calls."""

    @property
    def given(self) -> Any:
        """The connection or session that the handler receives."""
        ...

    async def settle(self) -> None:
        """Send the statements that SQLAlchemy's session has not sent yet. Call this after the handler has returned,
        within the handler's time limit. Raises database errors."""
        ...

    def charged(self, error: BaseException) -> BaseException:
        """Returns the error for which an attempt is charged. If the handler is not to blame, raises an error
        instead, and the caller rolls back."""
        ...


class Attempts:
    """Calls the handler of one flow for one run.

    The asynchronous methods of this class wait only where the handler waits: see `one_body`. These methods never
    raise an error of a handler, not even SystemExit or MemoryError, because no such error may reach Celery.
    """

    def __init__(self, flow: Flow, run_side: RunSide, limits: Limits) -> None:
        self.flow = flow
        self.run_side = run_side
        self.limits = limits
        self.open_calls = limits.open_calls
        self.observe = observer()
        self.around = limits.around if self.observe is None else self._observed
        self._wants_context = bool(flow.context_parameter or flow.before or flow.after or flow.failed)
        self._wants_arguments = flow.context_parameter is not None or flow.transaction_parameter is not None
        # For most flows, an attempt is only the call of the handler.
        is_observed = self.observe is not None or limits.are_enforced
        self._only_calls = not (self._wants_context or self._wants_arguments or is_observed or flow.is_async)

    def attempt_plainly(self, record: Record) -> Outcome:
        """Call this for a plain handler that gets no transaction. Does the same as `attempt`. If the flow needs only
        the call of the handler, this method skips the steps that other flows need."""
        if not self._only_calls:
            return run_as_guest(self.attempt(record))
        started, context = time.monotonic(), copy_context()
        self.open_calls[record.id] = [record], started
        try:
            try:
                result = context.run(self.flow.handler, record.payload)
            finally:
                end_a_fork()
                self.open_calls.pop(record.id, None)
            return self.completed(record, None, started, result)
        except BaseException as error:  # noqa: BLE001  (no error of a handler may reach Celery)
            return context.run(self.outcome_of, record, started, error)

    async def attempt(
        self, record: Record, transaction: GivenTransaction | None = None, *, is_tentative: bool = False
    ) -> Outcome:
        """`is_tentative`: after a failure, the caller rolls back and processes the record again at once."""
        started = time.monotonic()
        context = self.context(record, started) if self._wants_context else None
        records = [record]
        self.open_calls[record.id] = records, started
        try:
            try:
                with self.around(records):
                    result = await self._call(record, context, transaction)
            finally:
                end_a_fork()
                self.open_calls.pop(record.id, None)
            return self.completed(record, context, started, result)
        except BaseException as error:  # noqa: BLE001
            self.limits.lift(records)
            outcome = self.outcome_of(record, started, error, transaction)
            if self.flow.failed is not None and not is_tentative:
                await self._call_failed(record, context, error, outcome)
            return outcome

    async def _call(
        self, record: Record, context: FlowContext | None, transaction: GivenTransaction | None
    ) -> Any:
        flow = self.flow
        if flow.before is not None:
            await _awaited(flow.before(context))
        if self._wants_arguments:
            result = flow.handler(record.payload, **self.arguments(context, transaction))
        else:
            result = flow.handler(record.payload)
        if flow.is_async:
            result = await result
        if transaction is not None:
            await transaction.settle()
        if flow.after is not None:
            await _awaited(flow.after(context, result))
        return result

    def completed(
        self, record: Record, context: FlowContext | None, started: float, result: Any
    ) -> Completed:
        """Raises PayloadRejectedError for a result that cannot be stored, and PermanentError for a coroutine."""
        encoded = None if result is None else self._encoded(result)
        follow_ups = () if context is None else context.follow_ups
        return Completed(record, started, time.monotonic(), encoded, follow_ups)

    def _encoded(self, result: Any) -> bytes:
        if inspect.iscoroutine(result):
            result.close()
            raise PermanentError("the handler returned a coroutine: declare it with async def")
        return encode_json(result, RESULT_LIMIT_BYTES, "result")

    def outcome_of(
        self,
        record: Record,
        started: float,
        error: BaseException,
        transaction: GivenTransaction | None = None,
    ) -> Outcome:
        """Returns the outcome of an attempt that raised this error. If the handler is not to blame, raises the error of
        `transaction.charged` instead of returning an outcome."""
        try:
            if transaction is not None:
                error = transaction.charged(error)
            cause = decisive(error)
            if isinstance(cause, SnoozeRecord):
                return Snooze(record, _checked_delay(cause))
            if isinstance(cause, RecordCancelled) and self.run_side.is_cancelled(record):
                return Cancelled(record)
        except NOT_CHARGED:
            raise
        except BaseException as second:  # noqa: BLE001  (the class of the error is the handler's own)
            error = second
        return failure_of(self.flow, record, error, started, time.monotonic())

    def context(self, record: Record, started: float) -> FlowContext:
        limit = self.flow.time_limit_seconds
        return FlowContext(record, self.run_side, None if limit is None else started + limit)

    def arguments(self, context: FlowContext | None, transaction: GivenTransaction | None) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        if self.flow.context_parameter is not None:
            arguments[self.flow.context_parameter] = context
        if self.flow.transaction_parameter is not None and transaction is not None:
            arguments[self.flow.transaction_parameter] = transaction.given
        return arguments

    @contextmanager
    def _observed(self, records: list[Record]) -> Generator[None]:
        assert self.observe is not None
        batch = self.flow.batch
        observed = self.observe.batch(records) if batch else self.observe.attempt(records[0])
        with observed, self.limits.around(records):
            yield

    async def _call_failed(
        self, record: Record, context: FlowContext | None, error: BaseException, outcome: Outcome
    ) -> None:
        """Call the hook `failed`. If the hook raises an error, the error is only logged."""
        will_retry = self._will_retry(record, outcome)
        if will_retry is None:
            return
        assert self.flow.failed is not None
        records = [record]
        self.open_calls[record.id] = records, time.monotonic()
        try:
            try:
                with self.limits.around(records):
                    await _awaited(self.flow.failed(context, error, will_retry))
            finally:
                end_a_fork()
                self.open_calls.pop(record.id, None)
        except BaseException:
            self.limits.lift(records)
            with suppress(BaseException):  # logging calls methods of the error, which may raise, too
                logger.exception("the hook `failed` of flow %s raised an error", self.flow.name)

    def _will_retry(self, record: Record, outcome: Outcome) -> bool | None:
        """Returns whether the record will be retried. None if the outcome is not a failure."""
        if isinstance(outcome, Snooze | Cancelled | Completed):
            return None
        return outcome.retry_delay_seconds is not None and record.retry_count < self.run_side.max_retries


def _checked_delay(wish: SnoozeRecord) -> float:
    """A handler can set any delay. Raises an error unless Postgres can add this delay to the present time."""
    return SnoozeRecord(float(wish.delay_seconds)).delay_seconds


async def _awaited(returned: Any) -> Any:
    return await returned if inspect.isawaitable(returned) else returned

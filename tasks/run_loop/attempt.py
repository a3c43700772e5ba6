"""One attempt: the handler is called on one record, and whatever it does becomes an outcome."""

import asyncio
import inspect
import logging
import time
from collections.abc import Callable
from typing import Any

from queue_store.records.payload import encode_json
from queue_store.records.record import Cancelled, Completed, Outcome, Record, Snooze

from ..authoring.context import FlowContext, RunSide
from ..authoring.flow import Flow
from ..exceptions import PermanentError, RecordCancelled, SnoozeRecord, TimeLimitExceededError
from ..observing import observer
from ..worker.time_limit import call_limited, can_interrupt
from .failures import failure_of
from .stuck_handlers import StuckHandlers

RESULT_LIMIT_BYTES = 65_536

logger = logging.getLogger(__name__)


class Attempts:
    """Calls the handler of one flow for one run. Attempts never raise: what a handler raises, SystemExit and
    MemoryError included, must not reach Celery. Only what `passes` names goes through, for those who roll back."""

    def __init__(self, declared: Flow, run_side: RunSide, stuck: StuckHandlers | None) -> None:
        self.declared = declared
        self.run_side = run_side
        self.handler = declared.handler
        self._stuck = stuck
        self._wants_context = bool(
            declared.context_parameter or declared.before or declared.after or declared.failed
        )
        self._observe = observer()
        self.passes: Callable[[BaseException], None] = lambda error: None
        # Of a flow without a time limit: the calls that run, by their first record, and since when.
        self.open_calls: dict[int, tuple[list[Record], float]] = {}

    def attempt(self, record: Record, transaction: Any = None, *, is_tentative: bool = False) -> Outcome:
        """`is_tentative`: a failure will be rolled back and attempted again at once."""
        started = time.monotonic()
        context = self._context(record, started)
        try:
            result = self.limited([record], self._call, record, context, transaction)
            return self.completed(record, context, started, result)
        except BaseException as error:  # noqa: BLE001
            outcome = self.outcome_of(record, started, error)
            if self.declared.failed is not None and not is_tentative:
                self._call_failed(record, context, error, outcome)
            return outcome

    async def attempt_async(
        self, record: Record, transaction: Any = None, *, is_tentative: bool = False
    ) -> Outcome:
        """The same for an `async def` handler."""
        started = time.monotonic()
        context = self._context(record, started)
        try:
            call = self._call_async(record, context, transaction)
            result = await self.limited_async([record], call)
            return self.completed(record, context, started, result)
        except BaseException as error:  # noqa: BLE001
            outcome = self.outcome_of(record, started, error)
            if self.declared.failed is not None and not is_tentative:
                await self._call_failed_async(record, context, error, outcome)
            return outcome

    def completed(
        self, record: Record, context: FlowContext | None, started: float, result: Any
    ) -> Completed:
        """Raises PayloadRejectedError for a result that cannot be stored."""
        if inspect.iscoroutine(result):
            result.close()
            raise PermanentError("the handler returned a coroutine: declare it with async def")
        encoded = None if result is None else encode_json(result, RESULT_LIMIT_BYTES, "result")
        follow_ups = () if context is None else context.follow_ups
        return Completed(record, started, time.monotonic(), encoded, follow_ups)

    def outcome_of(self, record: Record, started: float, error: BaseException) -> Outcome:
        self.passes(error)
        if isinstance(error, SnoozeRecord):
            return Snooze(record, error.delay_seconds)
        if isinstance(error, RecordCancelled) and self.run_side.is_cancelled(record):
            return Cancelled(record)
        return failure_of(self.declared, record, error, started, time.monotonic())

    def _context(self, record: Record, started: float) -> FlowContext | None:
        if not self._wants_context:
            return None
        limit = self.declared.time_limit_seconds
        return FlowContext(record, self.run_side, None if limit is None else started + limit)

    def limited(self, records: list[Record], call: Callable[..., Any], *arguments: Any) -> Any:
        """Raises TimeLimitExceededError where the flow has a time limit and this thread can be interrupted."""
        limit = self.declared.time_limit_seconds
        if limit is None or self._stuck is None:
            self.open_calls[records[0].id] = (records, time.monotonic())
            try:
                return call(*arguments)
            finally:
                self.open_calls.pop(records[0].id, None)
        interrupts = can_interrupt()
        with self._stuck.watching(records, limit, can_be_interrupted=interrupts):
            return call_limited(limit, call, *arguments) if interrupts else call(*arguments)

    async def limited_async(self, records: list[Record], call: Any) -> Any:
        limit = self.declared.time_limit_seconds
        if limit is None or self._stuck is None:
            self.open_calls[records[0].id] = (records, time.monotonic())
            try:
                return await call
            finally:
                self.open_calls.pop(records[0].id, None)
        with self._stuck.watching(records, limit, can_be_interrupted=True):
            timeout = asyncio.timeout(limit)
            try:
                async with timeout:
                    return await call
            except TimeoutError as error:
                if timeout.expired():
                    raise TimeLimitExceededError(f"the time limit of {limit:g} s is over") from error
                raise

    def _call(self, record: Record, context: FlowContext | None, transaction: Any) -> Any:
        if self._observe is None:
            return self._call_handler(record, context, transaction)
        with self._observe.attempt(record):
            return self._call_handler(record, context, transaction)

    async def _call_async(self, record: Record, context: FlowContext | None, transaction: Any) -> Any:
        if self._observe is None:
            return await self._call_handler_async(record, context, transaction)
        with self._observe.attempt(record):
            return await self._call_handler_async(record, context, transaction)

    def _call_handler(self, record: Record, context: FlowContext | None, transaction: Any) -> Any:
        declared = self.declared
        if declared.before is not None:
            declared.before(context)
        result = self.handler(record.payload, **self.arguments(context, transaction))
        if declared.after is not None:
            declared.after(context, result)
        return result

    async def _call_handler_async(self, record: Record, context: FlowContext | None, transaction: Any) -> Any:
        declared = self.declared
        if declared.before is not None:
            await _awaited(declared.before(context))
        result = await self.handler(record.payload, **self.arguments(context, transaction))
        if declared.after is not None:
            await _awaited(declared.after(context, result))
        return result

    def arguments(self, context: FlowContext | None, transaction: Any) -> dict[str, Any]:
        given: dict[str, Any] = {}
        if self.declared.context_parameter is not None:
            given[self.declared.context_parameter] = context
        if self.declared.transaction_parameter is not None:
            given[self.declared.transaction_parameter] = transaction
        return given

    def _call_failed(
        self, record: Record, context: FlowContext | None, error: BaseException, outcome: Outcome
    ) -> None:
        """What the hook raises changes nothing any more."""
        will_retry = self._will_retry(record, outcome)
        if will_retry is None:
            return
        failed = self.declared.failed
        assert failed is not None
        try:
            self.limited([record], failed, context, error, will_retry)
        except BaseException:
            logger.exception("the hook `failed` of flow %s failed itself", self.declared.name)

    async def _call_failed_async(
        self, record: Record, context: FlowContext | None, error: BaseException, outcome: Outcome
    ) -> None:
        will_retry = self._will_retry(record, outcome)
        if will_retry is None:
            return
        failed = self.declared.failed
        assert failed is not None

        async def call() -> None:
            await _awaited(failed(context, error, will_retry))

        try:
            await self.limited_async([record], call())
        except BaseException:
            logger.exception("the hook `failed` of flow %s failed itself", self.declared.name)

    def _will_retry(self, record: Record, outcome: Outcome) -> bool | None:
        """None: this is no failure."""
        if isinstance(outcome, Snooze | Cancelled | Completed):
            return None
        return outcome.retry_delay_seconds is not None and record.retry_count < self.run_side.max_retries


async def _awaited(given: Any) -> Any:
    return await given if inspect.isawaitable(given) else given

"""Applies the time limit of a flow to every call of the flow's functions: on the event loop, in the main thread, and in
another thread."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from queue_store.records.record import Record

from ..authoring.flow import Flow
from ..exceptions import TimeLimitExceededError
from ..worker import time_limit
from .one_body import run_without_waiting
from .stuck_handlers import StuckHandlers

_NO_LIMIT = nullcontext[None]()


class Limits:
    """`stuck_handlers` ends the process of a handler that does not stop. `stuck_handlers` is None if the flow has no
    time limit.

    `open_calls`: the running calls of the handler, by the id of their first record. `Attempts` adds and removes
    them."""

    def __init__(self, flow: Flow, stuck_handlers: StuckHandlers | None = None) -> None:
        self._seconds = flow.time_limit_seconds
        self._is_async = flow.is_async
        self._stuck_handlers = stuck_handlers
        self.are_enforced = self._seconds is not None and stuck_handlers is not None
        self.open_calls: dict[int, tuple[list[Record], float]] = {}

    def calls(self) -> list[tuple[Sequence[Record], float]]:
        """Returns the running calls of the handler, the oldest first: the records of each call, and when it began,
        by `time.monotonic()`. Other threads may call this."""
        return list(self.open_calls.values())

    def around(self, records: list[Record]) -> AbstractContextManager[None]:
        """Returns a context manager for a `with` block. If the block can be interrupted, the context manager interrupts
        it at the time limit and raises TimeLimitExceededError. On an event loop, the code inside the block gets
        CancelledError, and only the code after the block sees TimeLimitExceededError. Call `lift` after an
        exception."""
        if self._seconds is None or self._stuck_handlers is None:  # unlimited
            return _NO_LIMIT
        if self._is_async:
            return _OnTheLoop(records, self._seconds, self._stuck_handlers)
        if time_limit.can_interrupt():
            return _InTheMainThread(records, self._seconds, self._stuck_handlers)
        return _InAThread(records, self._seconds, self._stuck_handlers)

    def lift(self, records: list[Record]) -> None:
        """End the limit. Normally, the end of the `with` block ends the limit. But the time can be over just as that
        block ends. Then TimeLimitExceededError interrupts the end of the block, and only this method ends the limit.
        Idempotent."""
        if self._seconds is not None and self._stuck_handlers is not None:
            time_limit.disarm()
            self._stuck_handlers.forget(records)


class _InAThread:
    """The time limit of a handler's call in a thread other than the main thread. Nothing can interrupt such a call."""

    can_be_interrupted = False

    def __init__(self, records: list[Record], seconds: float, stuck_handlers: StuckHandlers) -> None:
        self._records = records
        self._seconds = seconds
        self._stuck_handlers = stuck_handlers

    def __enter__(self) -> None:
        self._stuck_handlers.watch(self._records, self._seconds, can_be_interrupted=self.can_be_interrupted)

    def __exit__(self, *_: Any) -> None:
        self._stuck_handlers.forget(self._records)


class _InTheMainThread(_InAThread):
    can_be_interrupted = True

    def __enter__(self) -> None:
        super().__enter__()
        time_limit.arm(self._seconds)

    def __exit__(self, *_: Any) -> None:
        time_limit.disarm()
        super().__exit__()


class _OnTheLoop(_InAThread):
    """The time limit of a handler's call on the event loop. `asyncio.timeout` never waits when it is entered or left,
    so it works here without `await`."""

    can_be_interrupted = True

    def __enter__(self) -> None:
        super().__enter__()
        self._timeout = asyncio.timeout(self._seconds)
        run_without_waiting(self._timeout.__aenter__())

    def __exit__(self, *raised: Any) -> None:
        try:
            run_without_waiting(self._timeout.__aexit__(*raised))
        except TimeoutError as over:
            raise TimeLimitExceededError(f"the time limit of {self._seconds:g} s is over") from over
        finally:
            super().__exit__()

"""Executors run handlers concurrently: plain functions in threads, async functions in asyncio tasks.

One thread, the owner of the run, submits records and takes outcomes. The event `wake` is set when few unstarted
records are left, so that the owner claims more.
"""

import asyncio
import queue
import threading
import time
from asyncio import Task
from collections import Counter, deque
from collections.abc import Sequence
from functools import partial

from queue_store.records.record import Completed, Outcome, Record

from ..worker.event_loop import EventLoop, end_cancellation
from .attempt import Attempts
from .failures import failure_of

CANCELLED_STARTS = 10  # if a record's task is cancelled this often before it begins, the attempt fails
NEVER_BEGAN = (
    f"other code on the event loop cancelled this record's task {CANCELLED_STARTS} times before it began"
)


class Executor:
    def __init__(self, attempts: Attempts, concurrency: int, low_water: int) -> None:
        self._attempts = attempts
        self._concurrency = concurrency
        self._low_water = low_water
        self._done: deque[Outcome] = deque()
        self._unreported_count = 0
        self.wake = threading.Event()

    @property
    def unstarted_count(self) -> int:
        raise NotImplementedError

    @property
    def unreported_count(self) -> int:
        """The number of submitted records whose outcome has not been taken yet."""
        return self._unreported_count

    @property
    def done(self) -> list[Outcome]:
        """The outcomes that take_outcomes() would return. Other threads may read this."""
        return list(self._done)

    def submit(self, records: Sequence[Record]) -> None:
        self._unreported_count += len(records)
        self._submit(records)
        self.wake.set()

    def take_outcomes(self) -> list[Outcome]:
        outcomes: list[Outcome] = []
        while self._done:
            outcomes.append(self._done.popleft())
        self._unreported_count -= len(outcomes)
        return outcomes

    def withdraw(self) -> list[Record]:
        """Returns the records that were not started, and ensures that they are never started."""
        unstarted = self._withdraw()
        self._unreported_count -= len(unstarted)
        return unstarted

    def end(self) -> None:
        """Start no further record: the unstarted records may already belong to another run."""
        self.withdraw()

    def _submit(self, records: Sequence[Record]) -> None:
        raise NotImplementedError

    def _withdraw(self) -> list[Record]:
        raise NotImplementedError

    def _failure(self, record: Record, error: BaseException) -> Outcome:
        """`error`: an unexpected error of the attempt itself. The error becomes an outcome, because the run would wait
        endlessly for a record without an outcome."""
        now = time.monotonic()
        return failure_of(self._attempts.flow, record, error, now, now)

    def _finished(self, outcome: Outcome) -> None:
        self._done.append(outcome)
        if self.unstarted_count < self._low_water:
            self.wake.set()


class ThreadExecutor(Executor):
    def __init__(self, attempts: Attempts, concurrency: int, low_water: int) -> None:
        super().__init__(attempts, concurrency, low_water)
        self._queue: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        try:
            for number in range(concurrency):
                threading.Thread(target=self._work, name=f"handler {number}", daemon=True).start()
        except BaseException:
            self.end()  # otherwise the threads that have started would wait for records endlessly
            raise

    @property
    def unstarted_count(self) -> int:
        return self._queue.qsize()

    def end(self) -> None:
        super().end()
        for _ in range(self._concurrency):
            self._queue.put(None)

    def _submit(self, records: Sequence[Record]) -> None:
        for record in records:
            self._queue.put(record)

    def _withdraw(self) -> list[Record]:
        records: list[Record] = []
        while True:
            try:
                record = self._queue.get_nowait()
            except queue.Empty:
                return records
            if record is not None:
                records.append(record)

    def _work(self) -> None:
        while (record := self._queue.get()) is not None:
            try:
                outcome = self._attempts.attempt_plainly(record)
            except BaseException as error:  # noqa: BLE001
                outcome = self._failure(record, error)
            self._finished(outcome)


class AsyncExecutor(Executor):
    """Each attempt is a separate asyncio task, so that a handler's changes to the task or to context variables end
    with the attempt. Methods whose names begin with _start or _finished run on the loop. `stops_at_setbacks`: if a
    record is not completed, no further record is started until `submit` is called."""

    def __init__(self, attempts: Attempts, concurrency: int, low_water: int, event_loop: EventLoop) -> None:
        super().__init__(attempts, concurrency, low_water)
        self._loop = event_loop.loop
        self._queue: deque[Record] = deque()
        self._tasks: set[Task[Outcome]] = set()
        self._cancelled_starts: Counter[int] = Counter()  # by record id
        self.stops_at_setbacks = False
        self._has_stopped = False

    @property
    def unstarted_count(self) -> int:
        return len(self._queue)

    def _submit(self, records: Sequence[Record]) -> None:
        self._has_stopped = False
        self._queue.extend(records)
        self._loop.call_soon_threadsafe(self._start_more)

    def _withdraw(self) -> list[Record]:
        records: list[Record] = []
        while record := self._next():
            records.append(record)
        return records

    def _next(self) -> Record | None:
        try:
            return self._queue.popleft()
        except IndexError:
            return None

    def _start_more(self) -> None:
        while not self._has_stopped and len(self._tasks) < self._concurrency and (record := self._next()):
            task = self._loop.create_task(self._attempt(record))
            self._tasks.add(task)
            task.add_done_callback(partial(self._finished_task, record))

    async def _attempt(self, record: Record) -> Outcome:
        outcome = await self._attempts.attempt(record)
        await end_cancellation()
        return outcome

    def _may_start_again(self, record: Record, task: Task[Outcome]) -> bool:
        """Returns True if the task was cancelled before it began, as happens when a handler cancels all tasks of the
        loop. Returns False after CANCELLED_STARTS such cancellations of one record, if no attempt has ended in
        between."""
        if not task.cancelled():
            self._cancelled_starts.clear()
            return False
        self._cancelled_starts[record.id] += 1
        if self._cancelled_starts[record.id] < CANCELLED_STARTS:
            return True
        del self._cancelled_starts[record.id]
        return False

    def _finished_task(self, record: Record, task: Task[Outcome]) -> None:
        self._tasks.discard(task)
        if self._may_start_again(record, task):
            self._queue.appendleft(record)
        else:
            error = asyncio.CancelledError(NEVER_BEGAN) if task.cancelled() else task.exception()
            outcome = task.result() if error is None else self._failure(record, error)
            self._has_stopped = self._has_stopped or (
                self.stops_at_setbacks and outcome.__class__ is not Completed
            )
            self._finished(outcome)
        self._start_more()

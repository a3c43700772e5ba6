"""Waits for records to end. For each DatabaseManager, one thread of the process asks for all awaited records at
once."""

import asyncio
import os
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.errors import (
    ConflictError,
    DatabaseUnavailableError,
    NotFinishedError,
    QueueStoreError,
    UnknownRecordError,
)
from queue_store.records.record import check_record_id

SHORTEST_PERIOD_SECONDS = 0.02
LONGEST_PERIOD_SECONDS = 0.5
PERIODS_PER_AGE = 10  # a new wait asks for its record often, an old wait less often
FINISHED = ("completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class FinishedRecord:
    """`result` is what the handler of a completed record returned; `error_message` says why a failed record
    failed."""

    id: int
    status: str
    result: Any
    error_message: str | None


def wait_for(database: DatabaseManager, record_id: int, timeout_seconds: float) -> FinishedRecord:
    """Wait until the record has ended, in whatever status. The record must be committed before this call. Pass
    `timeout_seconds=math.inf` to wait without limit.

    Raises UnknownRecordError. Raises NotFinishedError after the timeout. Raises QueueStoreError if the timeout is
    negative or not a number.
    """
    seconds = _checked(timeout_seconds)
    awaited = _poll_of(database).add(database, record_id)
    try:
        return awaited.result(seconds)
    except TimeoutError:
        awaited.cancel()
        raise _not_finished(record_id, timeout_seconds) from None


async def wait_for_async(database: DatabaseManager, record_id: int, timeout_seconds: float) -> FinishedRecord:
    """Like `wait_for`, without blocking the event loop."""
    seconds = _checked(timeout_seconds)
    awaited = _poll_of(database).add(database, record_id)
    try:
        return await asyncio.wait_for(asyncio.wrap_future(awaited), seconds)
    except TimeoutError:
        raise _not_finished(record_id, timeout_seconds) from None


def _checked(timeout_seconds: object) -> float | None:
    """Returns None if the wait has no limit."""
    if (
        isinstance(timeout_seconds, bool)
        or not isinstance(timeout_seconds, int | float)
        or not timeout_seconds >= 0
    ):
        raise QueueStoreError(f"timeout_seconds must be 0 or more seconds, not {timeout_seconds!r:.64}")
    return None if timeout_seconds > threading.TIMEOUT_MAX else timeout_seconds


class Poll:
    """Asks for all awaited records of one manager, in a thread of its own. While nobody waits, there is no thread, and
    the poll does not refer to the manager. If a poll always referred to its manager, the WeakKeyDictionary `_polls`
    could never free that manager."""

    def __init__(self) -> None:
        self._database: DatabaseManager | None = None
        self._lock = threading.Lock()
        self._awaited: list[tuple[int, float, Future[FinishedRecord]]] = []
        self._thread: threading.Thread | None = None
        self._nudge = threading.Event()
        self.pid = os.getpid()

    def add(self, database: DatabaseManager, record_id: int) -> Future[FinishedRecord]:
        """Raises UnknownRecordError for a value that cannot be an id. Such a value would make the query fail for all
        waiting callers."""
        check_record_id(record_id)
        future: Future[FinishedRecord] = Future()
        with self._lock:
            self._database = database
            self._awaited.append((record_id, time.monotonic(), future))
            self._nudge.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="queue_store wait_for", daemon=True)
                self._thread.start()
        return future

    def _work(self) -> None:
        while (open_ids := self._open_ids()) is not None:
            self._nudge.clear()
            self.look(*open_ids)
            self._nudge.wait(self._period_seconds())

    def _open_ids(self) -> tuple[DatabaseManager, list[int]] | None:
        """Returns None if no caller waits any more; the thread then ends."""
        with self._lock:
            self._awaited = [one for one in self._awaited if not one[2].done()]
            if self._database is None or not self._awaited:
                self._thread = self._database = None
                return None
            return self._database, sorted({record_id for record_id, _, _ in self._awaited})

    def look(self, database: DatabaseManager, record_ids: list[int]) -> None:
        try:
            with database.transaction() as cursor:
                rows = cursor.execute(sql("enqueueing/awaited_records"), {"ids": record_ids}).fetchall()
        except (DatabaseUnavailableError, ConflictError):
            return  # the poll asks for these records again until the timeouts of the callers
        except Exception as error:  # noqa: BLE001  (otherwise the callers would wait in vain)
            self._settle(dict.fromkeys(record_ids, error))
            return
        self._settle({row[0]: _outcome(*row) for row in rows if row[1] is None or row[1] in FINISHED})

    def _settle(self, outcomes: dict[int, FinishedRecord | Exception]) -> None:
        with self._lock:
            awaited = list(self._awaited)
        for record_id, _, future in awaited:
            outcome = outcomes.get(record_id)
            if outcome is None or not future.set_running_or_notify_cancel():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    def _period_seconds(self) -> float:
        with self._lock:
            youngest = max((since for _, since, future in self._awaited if not future.done()), default=None)
        if youngest is None:
            return 0
        age_seconds = time.monotonic() - youngest
        return min(LONGEST_PERIOD_SECONDS, max(SHORTEST_PERIOD_SECONDS, age_seconds / PERIODS_PER_AGE))


_polls: WeakKeyDictionary[DatabaseManager, Poll] = WeakKeyDictionary()
_polls_lock = threading.Lock()


def _poll_of(database: DatabaseManager) -> Poll:
    """Returns the poll that serves all waiting callers of this process that use this manager. After a fork the child
    makes a new poll, because the child does not have its parent's thread."""
    with _polls_lock:
        poll = _polls.get(database)
        if poll is None or poll.pid != os.getpid():
            poll = _polls[database] = Poll()
        return poll


def _outcome(
    record_id: int, status: str | None, result: Any, error_message: str | None
) -> FinishedRecord | Exception:
    if status is None:
        return UnknownRecordError(
            f"there is no record {record_id}: it is not committed yet, was rolled back, or was purged"
        )
    return FinishedRecord(record_id, status, result, error_message)


def _not_finished(record_id: int, timeout_seconds: float) -> NotFinishedError:
    return NotFinishedError(
        f"record {record_id} has not ended within {timeout_seconds:g} s; `queuectl explain {record_id}` says why"
    )

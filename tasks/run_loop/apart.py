"""Writes outcomes apart from each other, after an error has prevented that they were written together.

Three things can prevent a write: the database refuses a value or a follow-up record, the flow of a follow-up record is
gone, or another transaction holds a lock. Such an error fails only its own record. All other outcomes are written at
once.
"""

import random
import time
from collections.abc import Callable, Sequence

import psycopg

from queue_store.database.driver_errors import translated_for_producer
from queue_store.errors import ConflictError, UnknownFlowError
from queue_store.records.record import Completed, Failure, Outcome
from queue_store.runs.outcomes import has_follow_ups

from ..authoring.flow import Flow
from .failures import failure_of

LOCKED_SECONDS = 600.0  # how long a record waits for the lock that its follow-up record needs
PAUSE_SECONDS = 0.2

REFUSED = (psycopg.Error, UnknownFlowError)  # repeating the same write would not help
NOT_WRITTEN = (ConflictError, *REFUSED)


def write_apart(
    flow: Flow,
    outcomes: Sequence[Outcome],
    write: Callable[[Sequence[Outcome]], object],
    may_wait: Callable[[], bool],
) -> None:
    """`write`: writes outcomes in one transaction, unless they were written before. While `may_wait` returns True, an
    outcome whose write meets a conflict is tried again. Raises the error of an outcome that has no follow-up
    records and meets a conflict, and the error of a failure that cannot be written."""
    parts, is_last_try = _parts(outcomes), False
    while parts:
        left: list[Sequence[Outcome]] = []
        for part in parts:
            try:
                write(part)
            except NOT_WRITTEN as error:
                if len(part) > 1:
                    left += _parts(part)
                elif isinstance(error, ConflictError) and not is_last_try:
                    left.append(part)
                elif isinstance(error, ConflictError) and not has_follow_ups(part):
                    raise
                else:
                    write([_failure(flow, part[0], error)])
        parts, is_last_try = left, not may_wait()
        if parts:
            time.sleep(PAUSE_SECONDS * random.random())  # noqa: S311


def _parts(outcomes: Sequence[Outcome]) -> list[Sequence[Outcome]]:
    """Returns first all outcomes without follow-up records, and then each of the others alone. If no outcome has
    follow-up records, returns each outcome alone."""
    following = [[outcome] for outcome in outcomes if has_follow_ups([outcome])]
    plain = [outcome for outcome in outcomes if not has_follow_ups([outcome])]
    if plain and following:
        return [plain, *following]
    return [[outcome] for outcome in outcomes]


def _failure(flow: Flow, outcome: Outcome, error: Exception) -> Failure:
    now = time.monotonic()
    is_timed = isinstance(outcome, Completed | Failure)
    started, finished = (outcome.started, outcome.finished) if is_timed else (now, now)
    return failure_of(flow, outcome.record, _explained(error), started, finished)


def _explained(error: Exception) -> Exception:
    if isinstance(error, ConflictError):
        return ConflictError("a follow-up record could not be enqueued: another transaction holds its lock")
    return translated_for_producer(error) or error

"""Writes outcomes apart from each other, after they could not be written together.

A record fails if the database refuses its outcome or its follow-up record, if the flow of its follow-up record is gone,
or if another transaction holds the lock of its follow-up record for too long. The outcomes of all other records are
written without delay. Any other error of the database charges no record. It is raised at the end, after all other
outcomes were tried.
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

LOCKED_SECONDS = 60.0  # how long a record waits for the lock that its follow-up record needs
PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 1.0

REFUSED = (  # errors of the data: a record is to blame, and repeating the same write would not help
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,  # JSON that is nested too deeply
    UnknownFlowError,
)
NOT_WRITTEN = (ConflictError, UnknownFlowError, psycopg.Error)


def write_apart(
    flow: Flow,
    outcomes: Sequence[Outcome],
    write: Callable[[Sequence[Outcome]], object],
    may_wait: Callable[[], bool],
) -> None:
    """`write`: writes outcomes in one transaction, unless they were written before. While `may_wait` returns True, an
    outcome whose write meets a conflict is tried again. When `may_wait` returns False, each outcome has one last try.
    An outcome with follow-up records has at least two tries, because each try waits only briefly for a lock. If neither
    the outcome of a record nor a failure in its place can be written, the other outcomes are still tried. At the end,
    the first error of an outcome that could not be written is raised. If the rows of two of the records are still
    locked at their last tries, the function raises at once and tries no further outcome, because each such try can take
    the whole `lock_timeout`."""
    parts, pause_seconds, unwritable = _parts(outcomes), PAUSE_SECONDS, list[Exception]()
    is_first_round = True
    while parts:
        left: list[Sequence[Outcome]] = []
        for part in parts:
            is_last_try = not may_wait() and not (is_first_round and has_follow_ups(part))
            try:
                write(part)
            except NOT_WRITTEN as error:
                if len(part) > 1:
                    left += _parts(part)
                elif isinstance(error, ConflictError) and not is_last_try:
                    left.append(part)
                else:
                    _fail(flow, part[0], error, write, unwritable)
        is_first_round = False
        if parts := left:
            time.sleep(pause_seconds * random.uniform(0.5, 1))  # noqa: S311
            pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
    if unwritable:
        raise unwritable[0]


def _fail(
    flow: Flow,
    outcome: Outcome,
    error: Exception,
    write: Callable[[Sequence[Outcome]], object],
    unwritable: list[Exception],
) -> None:
    """If the record is to blame, writes its failure. Otherwise adds the error to `unwritable`."""
    if isinstance(error, REFUSED) or (isinstance(error, ConflictError) and has_follow_ups([outcome])):
        try:
            write([_failure(flow, outcome, error)])
            return
        except NOT_WRITTEN as again:
            error = again
    unwritable.append(error)
    if sum(isinstance(each, ConflictError) for each in unwritable) > 1:
        raise unwritable[0]


def _parts(outcomes: Sequence[Outcome]) -> list[Sequence[Outcome]]:
    """If only some outcomes have follow-up records, the outcomes without them form the first part, and each other
    outcome is a part of its own. If all outcomes have follow-up records, or none has, each outcome is a part of its
    own."""
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

"""Changes many records in chunks, in the order of their ids. A chunk is tried again after a conflict."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import psycopg.errors

from queue_store.errors import ConflictError
from queue_store.progress import OnProgress
from queue_store.records.record import check_record_id

T = TypeVar("T")
CHUNK_RECORDS = 1_000
CONFLICTS_RETRIED = 5


@dataclass(slots=True)
class ResetResult:
    """`skipped_ids`: records whose status was not `failed`, and records that share a dedup_key with an unfinished
    record or with a newer one of the given records."""

    reset_ids: list[int] = field(default_factory=list[int])
    skipped_ids: list[int] = field(default_factory=list[int])


@dataclass(slots=True)
class CancelResult:
    """`asked_ids`: processing or locked records, whose owners were asked to stop them. `skipped_ids`: finished records
    and ids without a record; with `pending_only`, also processing or locked records."""

    cancelled_ids: list[int] = field(default_factory=list[int])
    asked_ids: list[int] = field(default_factory=list[int])
    skipped_ids: list[int] = field(default_factory=list[int])


@dataclass(slots=True)
class MoveResult:
    """`skipped_ids`: records that were not moved, because the target flow has an unfinished record with the same
    dedup_key."""

    pending_ids: list[int] = field(default_factory=list[int])
    failed_ids: list[int] = field(default_factory=list[int])
    skipped_ids: list[int] = field(default_factory=list[int])


def retry_on_conflict(operation: Callable[[], T]) -> T:
    """Repeats the operation after a conflict, at most CONFLICTS_RETRIED times. A conflict is a ConflictError (such as a
    deadlock) or a UniqueViolation (another record has taken the dedup_key)."""
    for _ in range(CONFLICTS_RETRIED):
        try:
            return operation()
        except (ConflictError, psycopg.errors.UniqueViolation):
            continue
    return operation()


def shown_ids(ids: Sequence[int]) -> str:
    if not ids:
        return "no records"
    return f"records {', '.join(map(str, ids[:20]))}" + (f" … {ids[-1]}" if len(ids) > 20 else "")


def checked_ids(record_ids: Iterable[int]) -> list[int]:
    """Each id once, in ascending order. Raises UnknownRecordError for a value that cannot be an id."""
    known = list(record_ids)
    for record_id in known:
        check_record_id(record_id)
    return sorted(set(known))


def in_chunks(record_ids: Iterable[int], on_progress: OnProgress) -> Iterable[list[int]]:
    """Yields the ids in chunks, in ascending order, because every statement locks records in this order. Calls
    `on_progress` after each chunk. If a value cannot be an id, raises UnknownRecordError before anything is changed."""
    remaining, done_count = iter(checked_ids(record_ids)), 0
    while chunk := list(islice(remaining, CHUNK_RECORDS)):
        yield chunk
        done_count += len(chunk)
        on_progress(done_count)

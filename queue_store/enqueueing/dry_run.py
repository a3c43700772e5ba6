"""Says what `enqueue_many` would do with duplicates, and whether it would be refused, and changes nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from queue_store.database.arrays import TextArray
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.enqueueing.new_record import NewRecord, OnDuplicate
from queue_store.errors import DuplicateRecordError, IngestionStoppedError

RECORDS_AT_ONCE = 4_000
WHEN_RESUMED = "Try again after an operator ran queuectl resume --ingestion."  # the hint of the trigger
Twin = tuple[int, bool]  # the id of an unfinished record, and whether this record is running


@dataclass(slots=True)
class WouldEnqueue:
    """`record_count` includes the duplicates. `running_count`: the duplicates that would replace no payload, because
    the record with the same dedup_key is running."""

    record_count: int = 0
    duplicate_count: int = 0
    running_count: int = 0


def would_enqueue(
    database: DatabaseManager, flow_name: str, records: Iterable[NewRecord], on_duplicate: OnDuplicate
) -> WouldEnqueue:
    """A record is a duplicate of an unfinished record, or of an earlier record of the call. Raises
    DuplicateRecordError for the first duplicate if the call would raise it, and IngestionStoppedError if ingestion is
    stopped and at least one record is new. Keeps all dedup keys in memory."""
    would = WouldEnqueue()
    taken: dict[str, Twin | None] = {}  # None: by an earlier record of the call
    is_open = False
    keys_of_all = (record.dedup_key for record in records)
    while chunk := list(islice(keys_of_all, RECORDS_AT_ONCE)):
        would.record_count += len(chunk)
        keys = [key for key in chunk if key is not None]
        taken |= _unfinished_twins(database, flow_name, set(keys) - taken.keys())
        for key in keys:
            if key not in taken:
                taken[key] = None
                continue
            twin = taken[key]
            if on_duplicate == "raise":
                raise DuplicateRecordError(_refusal(flow_name, key, twin))
            would.duplicate_count += 1
            would.running_count += on_duplicate == "replace" and twin is not None and twin[1]
        if not is_open and would.record_count > would.duplicate_count:
            _refuse_if_stopped(database, flow_name)
            is_open = True
    return would


def _refuse_if_stopped(database: DatabaseManager, flow_name: str) -> None:
    with database.transaction() as cursor:
        row = cursor.execute(sql("enqueueing/ingestion_stop"), {"flow_name": flow_name}).fetchone()
    if row is not None:
        raise IngestionStoppedError(f"{row[0]}. {WHEN_RESUMED}")


def _unfinished_twins(database: DatabaseManager, flow_name: str, keys: set[str]) -> dict[str, Twin]:
    if not keys:
        return {}
    parameters = {"flow_name": flow_name, "dedup_keys": TextArray(keys)}
    with database.transaction() as cursor:
        rows = cursor.execute(sql("enqueueing/unfinished_twins"), parameters).fetchall()
    return {key: (record_id, is_running) for key, record_id, is_running in rows}


def _refusal(flow_name: str, key: str, twin: Twin | None) -> str:
    if twin is None:
        return f"an earlier line has the same dedup_key {key}: nothing would be enqueued"
    return (
        f"record {twin[0]} of {flow_name} has the same dedup_key {key} and is not finished: "
        "nothing would be enqueued"
    )

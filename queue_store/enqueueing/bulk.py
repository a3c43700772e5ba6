"""Enqueues many records of a flow at COPY's speed, in bounded memory."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

from queue_store.database.arrays import TextArray
from queue_store.database.statements import NamedStatement
from queue_store.enqueueing.copy_lines import Row, blocks, lines_of, numbered
from queue_store.enqueueing.new_record import (
    NewRecord,
    OnDuplicate,
    check_choice,
    check_options,
    checked_flow_name,
    plain,
)
from queue_store.enqueueing.payload_encoders import Encode, encoder_of
from queue_store.enqueueing.steps import Copy, Rows, Steps, refuse_flow
from queue_store.errors import PayloadRejectedError
from queue_store.flow_names import is_flow_name

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHUNK_RECORDS = 4_000
CHUNK_BYTES = 4_000_000  # of payloads


@dataclass(slots=True)
class EnqueuedMany:
    """Positions count from 0, in the order of the given rows.

    `ids`, if the caller asked for them, has one id for each row: the id of the new record or, for a duplicate, the
    id of the unfinished record with the same dedup_key. `running_positions`: the positions of rows that replaced no
    payload, because the record with the same dedup_key was running.
    """

    flow_name: str
    celery_queue: str
    inserted_count: int = 0
    duplicate_positions: list[int] = field(default_factory=list[int])
    running_positions: list[int] = field(default_factory=list[int])
    ids: list[int] | None = None


@dataclass(slots=True)
class _Bulk:
    options: NewRecord
    on_duplicate: OnDuplicate
    now: datetime
    done: EnqueuedMany
    has_met_duplicates: bool = False
    is_staging: bool = False

    def lines(self, chunk: Iterable[Row], *, keeps_unsaid: bool = False) -> Iterator[bytes]:
        return lines_of(self.done.flow_name, self.options, self.now, chunk, keeps_unsaid=keeps_unsaid)


def enqueue_many_steps(
    flow_name: str,
    rows: Iterable[object],
    options: NewRecord,
    on_duplicate: OnDuplicate,
    *,
    with_ids: bool,
    is_follow_up: bool,
) -> Steps[EnqueuedMany]:
    """The caller runs these steps in a savepoint or a new transaction, so that an error also undoes the earlier
    chunks."""
    flow_name = checked_flow_name(flow_name)
    check_choice(on_duplicate)
    check_options(options)
    _check_rows(rows)
    if not is_flow_name(flow_name):
        yield from refuse_flow(flow_name)
    flow = yield NamedStatement(
        "enqueueing/begin_bulk", {"flow_name": flow_name, "is_follow_up": is_follow_up}
    )
    if not flow:
        yield from refuse_flow(flow_name)
    done = EnqueuedMany(flow_name, flow[0][0], ids=[] if with_ids else None)
    bulk = _Bulk(options, on_duplicate, EPOCH + timedelta(microseconds=flow[0][1]), done)
    for first_position, chunk in _chunks(bulk, rows):
        yield from _enqueue_chunk(bulk, chunk, first_position)
    if bulk.is_staging:
        yield NamedStatement("enqueueing/drop_staging")
    return done


def _check_rows(rows: object) -> None:
    """Refuses text, bytes and mappings, although they are iterable: each of them is one payload and not many."""
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
        kind = type(cast("object", rows)).__name__
        raise PayloadRejectedError("rows", f"must be a list or another iterable of payloads, not {kind}")


def _enqueue_chunk(bulk: _Bulk, chunk: list[Row], first_position: int) -> Steps[None]:
    """Writes the chunk by COPY, which has no ON CONFLICT. From the first duplicate on, "skip" searches each chunk for
    duplicates before the COPY, and "replace" sends each chunk through a temporary table. If the COPY meets a duplicate
    in spite of the search, "skip" sends this chunk through the temporary table, too."""
    if not bulk.has_met_duplicates:
        if (yield from _copy(bulk, chunk)):
            return
        bulk.has_met_duplicates = True
    if bulk.on_duplicate == "skip" and (yield from _copy_without_duplicates(bulk, chunk, first_position)):
        return
    if not bulk.is_staging:
        yield NamedStatement("enqueueing/create_staging")
        bulk.is_staging = True
    yield Copy("enqueueing/copy_staging", blocks(bulk.lines(chunk, keeps_unsaid=True)))
    yield from _enqueue_staged(bulk, first_position, len(chunk))
    yield NamedStatement("enqueueing/clear_staging")


def _copy(bulk: _Bulk, chunk: list[Row]) -> Steps[bool]:
    """Returns False, and writes no row of the chunk, if the COPY met a duplicate or a deadlock."""
    lines = bulk.lines(chunk)
    may_fail = bulk.on_duplicate != "raise"
    ids: list[int] = []
    if bulk.done.ids is None:
        refused = yield Copy("enqueueing/copy_records", blocks(lines), may_fail)
    else:
        ids = [row[0] for row in (yield NamedStatement("enqueueing/reserve_ids", {"id_count": len(chunk)}))]
        refused = yield Copy("enqueueing/copy_records_with_ids", blocks(numbered(ids, lines)), may_fail)
    if refused:
        return False
    if bulk.done.ids is not None:
        bulk.done.ids += ids
    bulk.done.inserted_count += len(chunk)
    return True


def _copy_without_duplicates(bulk: _Bulk, chunk: list[Row], first_position: int) -> Steps[bool]:
    """Returns False, and writes no row of the chunk, if somebody else enqueued one of the keys at the same time."""
    keys = [plain((bulk.options if record is None else record).dedup_key) for _, record in chunk]
    known = yield from _unfinished_twins(bulk, {key for key in keys if key is not None})
    ids = list(range(-len(chunk), 0))  # placeholders, which only tell the rows of the chunk apart
    if bulk.done.ids is not None:
        ids = [row[0] for row in (yield NamedStatement("enqueueing/reserve_ids", {"id_count": len(chunk)}))]
    new: list[int] = []
    duplicates: list[int] = []
    for place, key in enumerate(keys):
        if key is not None and known.setdefault(key, ids[place]) != ids[place]:
            duplicates.append(first_position + place)
            ids[place] = known[key]
        else:
            new.append(place)
    lines = bulk.lines([chunk[place] for place in new])
    copy = "enqueueing/copy_records"
    if bulk.done.ids is not None:
        copy, lines = "enqueueing/copy_records_with_ids", numbered([ids[place] for place in new], lines)
    if (yield Copy(copy, blocks(lines), may_meet_duplicates=True)):
        return False
    bulk.done.duplicate_positions += duplicates
    if bulk.done.ids is not None:
        bulk.done.ids += ids
    bulk.done.inserted_count += len(new)
    return True


def _enqueue_staged(bulk: _Bulk, first_position: int, record_count: int) -> Steps[None]:
    done = bulk.done
    staged_ids = (
        [row[0] for row in (yield NamedStatement("enqueueing/staged_ids"))] if done.ids is not None else []
    )
    duplicates, running = yield from _insert_staged(bulk)
    for position, dedup_key, twin_id in duplicates:
        done.duplicate_positions.append(first_position + position - 1)
        if dedup_key in running:
            done.running_positions.append(first_position + position - 1)
        if done.ids is not None:
            staged_ids[position - 1] = twin_id
    if done.ids is not None:
        done.ids += staged_ids
    done.inserted_count += record_count - len(duplicates)


def _insert_staged(bulk: _Bulk) -> Steps[tuple[Rows, set[str]]]:
    """Returns a row for each duplicate: its position, its key and the unfinished record's id. With "replace", also
    returns the keys of running records. While enqueue_staging waits for another transaction, that transaction may
    commit a record with one of the keys. Only a statement that begins after this COMMIT sees the new record and its id.
    If that record has ended by then, its key is free again, and the row with this key is inserted after all."""
    duplicates: Rows = []
    running: set[str] = set()
    while found := (yield NamedStatement("enqueueing/enqueue_staging")):
        keys = {row[1] for row in found}
        if bulk.on_duplicate == "replace":
            replaced = yield NamedStatement("enqueueing/replace_staging", {"dedup_keys": list(keys)})
            running |= {key for key, _, was_replaced in replaced if not was_replaced}
            twins = {key: record_id for key, record_id, _ in replaced}
        else:
            twins = {key: record_id for _, key, record_id in found if record_id is not None}
            if unseen := keys - twins.keys():
                twins |= yield from _unfinished_twins(bulk, unseen)
        duplicates += [(position, key, twins[key]) for position, key, _ in found if key in twins]
        freed = keys - twins.keys()
        if not freed:
            break
        yield NamedStatement("enqueueing/keep_staged_keys", {"dedup_keys": list(freed)})
    return sorted(duplicates), running


def _unfinished_twins(bulk: _Bulk, keys: set[str]) -> Steps[dict[str, int]]:
    parameters = {"flow_name": bulk.done.flow_name, "dedup_keys": TextArray(keys)}
    rows = yield NamedStatement("enqueueing/unfinished_twins", parameters)
    return {key: record_id for key, record_id, _ in rows}


def _chunks(bulk: _Bulk, rows: Iterable[object]) -> Iterator[tuple[int, list[Row]]]:
    """Fetches rows only while no COPY is running, because the rows may come from a cursor on the same connection."""
    first_position = chunk_bytes = 0
    chunk: list[Row] = []
    takes_options = bulk.options != NewRecord(None)
    encode = encoder_of(bulk.done.flow_name)
    for position, row in enumerate(rows):
        chunk.append(_encoded(row, position, encode, takes_options=takes_options))
        chunk_bytes += len(chunk[-1][0])
        if chunk_bytes >= CHUNK_BYTES or len(chunk) >= CHUNK_RECORDS:
            yield first_position, chunk
            first_position, chunk_bytes, chunk = position + 1, 0, []
    if chunk:
        yield first_position, chunk


def _encoded(row: object, position: int, encode: Encode, *, takes_options: bool) -> Row:
    try:
        if isinstance(row, NewRecord):
            if takes_options:
                raise PayloadRejectedError("NewRecord", "has options of its own: pass no options to the call")
            record = cast("NewRecord", row)
            check_options(record)
            return _compact(encode(record.payload)), record
        return _compact(encode(row)), None
    except PayloadRejectedError as error:
        raise PayloadRejectedError(f"row {position}: {error.field}", error.problem) from None


def _compact(encoded: bytes) -> bytes:
    """Copies the bytes, because orjson leaves its results in buffers that are many times larger."""
    return bytes(memoryview(encoded))

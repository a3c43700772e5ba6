"""Finding records, and everything that is known of one. A search looks at a bounded number of rows at a time."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor

from queue_store.statements import sql

LOOK_AT_MOST = 20_000
FEW = 5_000
ATTEMPTS_AT_MOST = 100
MAXIMUM_ID = 2**63 - 1
KNOWN_BY_AN_INDEX = ("processing", "failed")


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """None: does not matter. `key`: a dedup, order or correlation key. `before_id`: where the last page ended."""

    flow_name: str | None = None
    status: str | None = None
    error: str | None = None
    key: str | None = None
    payload_key: str | None = None
    payload_value: str | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    before_id: int = MAXIMUM_ID


@dataclass(frozen=True, slots=True)
class RecordRow:
    id: int
    flow_name: str
    status: str
    priority: int
    scheduled_at: datetime
    created_at: datetime
    updated_at: datetime
    claimed_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    retry_count: int
    crash_strikes: int
    error_message: str | None


@dataclass(frozen=True, slots=True)
class RecordPage:
    """`next_before_id`: where the search goes on; None when everything was looked at."""

    records: list[RecordRow]
    next_before_id: int | None


@dataclass(frozen=True, slots=True)
class RecordStory:
    id: int
    flow_name: str
    status: str
    priority: int
    scheduled_at: datetime
    created_at: datetime
    updated_at: datetime
    claimed_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    flow_instance_id: UUID | None
    claim_number: int
    retry_count: int
    crash_strikes: int
    batch_limit: int | None
    dedup_key: str | None
    order_key: str | None
    correlation_id: str | None
    error_message: str | None
    payload: Any
    payload_bytes: int
    result: Any
    progress: Any
    progress_at: datetime | None
    cancel_requested_by: str | None
    cancel_requested_at: datetime | None
    hostname: str | None
    pid: int | None
    run_state: str | None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    claim_number: int
    attempt_number: int
    flow_instance_id: UUID
    outcome: str
    exception_type: str
    error_message: str
    error_group: str
    traceback: str | None
    started_at: datetime | None
    finished_at: datetime
    hostname: str | None
    pid: int | None


def find_records(
    cursor: Cursor[Any], wanted: RecordFilter, limit: int = 50, look_at_most: int = LOOK_AT_MOST
) -> RecordPage:
    """Newest first. A page may hold fewer records than asked for, or none, and have a next page nevertheless."""
    from_id, wanted = _by_dates(cursor, wanted)
    parameters: dict[str, Any] = {
        **{name: getattr(wanted, name) for name in RecordFilter.__slots__ if not name.startswith("created")},
        "from_id": from_id,
        "look_at_most": look_at_most,
        "limit": limit,
    }
    is_indexed = wanted.status in KNOWN_BY_AN_INDEX and _are_few(cursor, wanted.status)
    if _is_unfiltered(wanted):
        parameters["look_at_most"] = limit
    statement = sql("read_records_unfinished" if is_indexed else "read_records")
    # Never as a prepared statement: a plan for any status cannot use the partial indexes.
    rows = cursor.execute(statement, parameters, prepare=False).fetchall()
    records = [RecordRow(*row[:-1]) for row in rows]
    if len(rows) == limit:
        return RecordPage(records, rows[-1][0])
    if is_indexed:
        return RecordPage(records, None)
    return RecordPage(records, _looked_through(cursor, parameters))


def read_record(cursor: Cursor[Any], record_id: int) -> RecordStory | None:
    row = cursor.execute(sql("read_record_story"), {"id": record_id}).fetchone()
    return RecordStory(*row) if row else None


def read_attempts(cursor: Cursor[Any], record_id: int) -> list[AttemptRow]:
    """Newest first."""
    parameters = {"id": record_id, "limit": ATTEMPTS_AT_MOST}
    return [AttemptRow(*row) for row in cursor.execute(sql("read_record_attempts"), parameters).fetchall()]


def _is_unfiltered(wanted: RecordFilter) -> bool:
    return replace(wanted, before_id=MAXIMUM_ID, created_from=None, created_before=None) == RecordFilter()


def _are_few(cursor: Cursor[Any], status: str) -> bool:
    """Many of them are found soon by looking at all records, newest first."""
    parameters = {"status": status, "limit": FEW + 1}
    row = cursor.execute(sql("count_unfinished"), parameters, prepare=False).fetchone()
    return row is not None and row[0] <= FEW


def _looked_through(cursor: Cursor[Any], parameters: dict[str, Any]) -> int | None:
    """None: the lowest id was reached."""
    row = cursor.execute(sql("read_looked_through"), parameters).fetchone()
    looked_through = row[0] if row else None
    if looked_through is None:
        return None
    below = parameters | {"before_id": looked_through, "look_at_most": 1}
    row = cursor.execute(sql("read_looked_through"), below).fetchone()
    return looked_through if row and row[0] is not None else None


def _by_dates(cursor: Cursor[Any], wanted: RecordFilter) -> tuple[int, RecordFilter]:
    """Ids are given in the order of creation, up to the length of a transaction: dates become ids by halving."""
    from_id = 0 if wanted.created_from is None else _first_id_since(cursor, wanted.created_from)
    if wanted.created_before is not None:
        before_id = min(wanted.before_id, _first_id_since(cursor, wanted.created_before))
        wanted = replace(wanted, before_id=before_id)
    return from_id, wanted


def _first_id_since(cursor: Cursor[Any], instant: datetime) -> int:
    row = cursor.execute(sql("read_id_range")).fetchone()
    lowest, highest = row or (0, 0)
    low, high = lowest, highest + 1
    while low < high:
        middle = (low + high) // 2
        found = cursor.execute(sql("read_record_at_or_after"), {"id": middle}).fetchone()
        if found is None or found[1] >= instant:
            high = middle
        else:
            low = found[0] + 1
    return low

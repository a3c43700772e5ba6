"""Finding records. A search looks at a bounded number of rows at a time."""

from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor

from queue_store.database.index_plans import index_plans
from queue_store.database.rows import rows_as
from queue_store.database.statements import sql
from queue_store.errors import TooManyMatchesError
from queue_store.readings.record_candidates import (
    MAXIMUM_ID,
    RECORDS_AT_MOST,
    WorkerFilter,
    candidates_of_runs,
    first_id_since,
    ids_within,
    record_ids_of_group,
)

LOOK_AT_MOST = 20_000
FEW = 50_000
LOOK_AT_SCATTERED = 5_000
ATTEMPTS_AT_MOST = 50_000
KNOWN_BY_AN_INDEX = ("pending", "processing", "failed")


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """A field that is None matches any value. `key`: a dedup, order or correlation key. `run_id`, `worker`: the run or
    worker that owned the record last, or that attempted it without success. `error_group`: the kind of error with which
    an attempt of the record ended. `before_id`: where the previous page ended. `known_ids`: the `known_ids` of the
    previous page. If it is None, a page after the first asks the index again, and leaves out the records that the index
    finds. `ids_of_dates`: the result of `ids_within` for the dates. If it is None, each page calls `ids_within`."""

    flow_name: str | None = None
    status: str | None = None
    error: str | None = None
    key: str | None = None
    run_id: UUID | None = None
    worker: WorkerFilter | None = None
    error_group: str | None = None
    payload_key: str | None = None
    payload_value: str | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    before_id: int = MAXIMUM_ID
    known_ids: tuple[int, ...] | None = None
    ids_of_dates: tuple[int, int] | None = None


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
class _RowOfStatus(RecordRow):
    """One row of the result of readings/records_unfinished.sql. `id` is None if the search found no record. Every
    row says how many records the search looked at, and down to which id."""

    through_id: int | None
    looked_count: int

    def as_record_row(self) -> RecordRow:
        return RecordRow(**{field.name: getattr(self, field.name) for field in fields(RecordRow)})


@dataclass(frozen=True, slots=True)
class RecordPage:
    """`next_before_id`: where the search goes on; None if the search has looked at every record. `is_capped`: whether
    records may be missing, because there are more runs, attempts or processing records than the search reads.
    `known_ids`: the ids below `next_before_id` of records that were shown already, because an index found them."""

    records: list[RecordRow]
    next_before_id: int | None
    is_capped: bool = False
    known_ids: list[int] = field(default_factory=list[int])


def find_records(
    cursor: Cursor[Any], wanted: RecordFilter, limit: int = 50, look_at_most: int = LOOK_AT_MOST
) -> RecordPage:
    """Newest first. Even if a page has fewer than `limit` records, or none, another page may follow. An index gives a
    search by key, run or worker up to half of its first page: records of any age."""
    of_runs = _of_runs(cursor, wanted)
    if of_runs["run_ids"] == []:
        return RecordPage([], None, of_runs["is_capped"])
    page = _page(cursor, wanted, of_runs, limit, look_at_most)
    lower = [i for i in page.known_ids if i < (page.next_before_id or 0)]
    return replace(page, is_capped=page.is_capped or of_runs["is_capped"], known_ids=lower)


def _page(
    cursor: Cursor[Any], wanted: RecordFilter, of_runs: dict[str, Any], limit: int, look_at_most: int
) -> RecordPage:
    is_first = wanted.before_id == MAXIMUM_ID
    given = [] if is_first else list(wanted.known_ids or [])
    everything = _parameters(cursor, replace(wanted, before_id=MAXIMUM_ID), of_runs, limit, look_at_most)
    before_id = min(wanted.before_id, everything["before_id"])
    parameters = everything | {"before_id": before_id, "known_ids": given}
    if wanted.error_group is not None:
        return _of_group(cursor, wanted, parameters)
    if of_runs["run_ids"] is not None and wanted.status in KNOWN_BY_AN_INDEX:
        return _by_id(cursor, parameters, of_runs["run_record_ids"])
    if wanted.status in KNOWN_BY_AN_INDEX and _are_few(cursor, wanted):
        return replace(_of_status(cursor, parameters), known_ids=given)
    known = _known(cursor, wanted, everything) if is_first or wanted.known_ids is None else []
    known_ids = [*given, *(r.id for r in known)]
    parameters |= {"known_ids": known_ids, "limit": limit - len(known) if is_first else limit}
    with index_plans(cursor):
        found = _rows(cursor, "readings/records", parameters)
        next_id = found[-1].id if len(found) == parameters["limit"] else _looked_through(cursor, parameters)
    records = sorted([*known, *found], key=lambda r: r.id, reverse=True) if is_first else found
    return RecordPage(records, next_id, known_ids=known_ids)


def find_ids(cursor: Cursor[Any], wanted: RecordFilter, limit: int) -> list[int]:
    """The ids of at most `limit` pending or failed records that match a search, in no particular order. Raises
    TooManyMatchesError if the search is for a kind of error with more than ATTEMPTS_AT_MOST attempts."""
    parameters = _parameters(cursor, wanted, _of_runs(cursor, wanted), limit, limit)
    parameters |= {"group_ids": _all_of_group(cursor, wanted)}
    rows = cursor.execute(sql("operators/found_ids"), parameters, prepare=False).fetchall()
    return [row[0] for row in rows]


def _parameters(
    cursor: Cursor[Any], wanted: RecordFilter, of_runs: dict[str, Any], limit: int, look_at_most: int
) -> dict[str, Any]:
    from_id, before_id = wanted.ids_of_dates or ids_within(cursor, wanted.created_from, wanted.created_before)
    if (end := of_runs["finished_at"]) is not None:
        before_id = min(before_id, first_id_since(cursor, end))
    return {
        **{name: getattr(wanted, name) for name in RecordFilter.__slots__},
        "from_id": from_id,
        "before_id": min(wanted.before_id, before_id),
        "look_at_most": min(look_at_most, _enough(wanted, limit)),
        "limit": limit,
        "known_ids": [],
        **of_runs,
    }


def _enough(wanted: RecordFilter, limit: int) -> int:
    """How many records to read in order to fill a page. In a search by dates only, nearly every record matches."""
    undated = replace(wanted, created_from=None, created_before=None)
    if replace(undated, before_id=MAXIMUM_ID, known_ids=None, ids_of_dates=None) != RecordFilter():
        return LOOK_AT_MOST
    return limit if undated == wanted else LOOK_AT_SCATTERED


def _of_runs(cursor: Cursor[Any], wanted: RecordFilter) -> dict[str, Any]:
    """A run works only on records that were created before its end (`finished_at`), so newer records are not read."""
    if wanted.run_id is None and wanted.worker is None:
        return {"run_ids": None, "run_record_ids": [], "is_capped": False, "finished_at": None}
    found = candidates_of_runs(cursor, wanted.run_id, wanted.worker, wanted.status)
    return {
        "run_ids": found.run_ids,
        "run_record_ids": found.record_ids,
        "is_capped": found.is_capped,
        "finished_at": found.finished_at,
    }


def _known(cursor: Cursor[Any], wanted: RecordFilter, everything: dict[str, Any]) -> list[RecordRow]:
    if wanted.key is not None:
        return _by_key(cursor, everything)
    if everything["run_record_ids"]:
        half = everything | {"limit": everything["limit"] // 2}
        return _by_id(cursor, half, everything["run_record_ids"]).records
    return []


def _by_id(cursor: Cursor[Any], parameters: dict[str, Any], ids: list[int]) -> RecordPage:
    records = _rows(cursor, "readings/records_by_id", parameters | {"candidate_ids": ids})
    return RecordPage(records, records[-1].id if len(records) == parameters["limit"] else None)


def _of_group(cursor: Cursor[Any], wanted: RecordFilter, parameters: dict[str, Any]) -> RecordPage:
    ids = record_ids_of_group(cursor, wanted.error_group or "", wanted.flow_name, RECORDS_AT_MOST + 1)
    found = _by_id(cursor, parameters, list(set(ids[:RECORDS_AT_MOST])))
    return replace(found, is_capped=len(ids) > RECORDS_AT_MOST)


def _all_of_group(cursor: Cursor[Any], wanted: RecordFilter) -> list[int] | None:
    if wanted.error_group is None:
        return None
    ids = record_ids_of_group(cursor, wanted.error_group, wanted.flow_name, ATTEMPTS_AT_MOST + 1)
    if len(ids) > ATTEMPTS_AT_MOST:
        raise TooManyMatchesError(
            f"more than {ATTEMPTS_AT_MOST} attempts ended with this error: narrow the search by flow, or use queuectl"
        )
    return list(set(ids))


def _rows(cursor: Cursor[Any], statement: str, parameters: dict[str, Any]) -> list[RecordRow]:
    # The statement is not prepared, because one plan for all statuses cannot use the partial indexes.
    return rows_as(cursor.execute(sql(statement), parameters, prepare=False), RecordRow)


def _of_status(cursor: Cursor[Any], parameters: dict[str, Any]) -> RecordPage:
    """The records of one status are scattered over the table, so a search by status looks at fewer records per page."""
    look_at_most = min(parameters["look_at_most"], LOOK_AT_SCATTERED)
    parameters |= {"look_at_most": look_at_most}
    rows = rows_as(
        cursor.execute(sql("readings/records_unfinished"), parameters, prepare=False), _RowOfStatus
    )
    records = [row.as_record_row() for row in rows if row.id]
    if len(records) == parameters["limit"]:
        return RecordPage(records, records[-1].id)
    return RecordPage(records, rows[0].through_id if rows[0].looked_count == look_at_most else None)


def _by_key(cursor: Cursor[Any], everything: dict[str, Any]) -> list[RecordRow]:
    """Returns at most half a page of the records that an index finds by the key. The search finds the others by reading
    the table from the highest id down to the lowest."""
    return _rows(cursor, "readings/records_by_key", everything | {"limit": everything["limit"] // 2})


def _are_few(cursor: Cursor[Any], wanted: RecordFilter) -> bool:
    """Whether at most `FEW` records have this status. If so, the search uses the index of the status. If more records
    have it, the search needs no index: it soon finds some among the newest records."""
    parameters = {"status": wanted.status, "flow_name": wanted.flow_name, "limit": FEW + 1}
    row = cursor.execute(sql("readings/count_unfinished"), parameters, prepare=False).fetchone()
    return row is not None and row[0] <= FEW


def _looked_through(cursor: Cursor[Any], parameters: dict[str, Any]) -> int | None:
    """Returns None if the search has reached the lowest id."""
    row = cursor.execute(sql("readings/looked_through"), parameters).fetchone()
    if row is None or row[0] is None:
        return None
    below = parameters | {"before_id": row[0], "look_at_most": 1}
    lower = cursor.execute(sql("readings/looked_through"), below).fetchone()
    return row[0] if lower and lower[0] is not None else None

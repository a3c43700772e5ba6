"""What operators do to the queue. Each deed leaves a row in audit_log, in the transaction that does it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Any, Literal, TypeVar

import psycopg.errors
from psycopg import Cursor
from psycopg.types.json import Jsonb

from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.enqueueing.connections import run
from queue_store.enqueueing.new_record import check_priority
from queue_store.enqueueing.steps import is_storable_name, refuse_flow
from queue_store.errors import ConflictError
from queue_store.records.record import check_record_id

T = TypeVar("T")
CHUNK_RECORDS = 1_000
MAXIMUM_RECORDS = 1_000_000
CONFLICTS_BORNE = 5
Finished = Literal["completed", "failed", "cancelled"]


@dataclass(slots=True)
class Reset:
    """`skipped_ids` were not failed (any more), or an unfinished record has their dedup_key."""

    reset_ids: list[int] = field(default_factory=list[int])
    skipped_ids: list[int] = field(default_factory=list[int])


@dataclass(slots=True)
class Cancelled:
    """`asked_ids` are running: their owner stops them. `skipped_ids` were finished, or never were."""

    cancelled_ids: list[int] = field(default_factory=list[int])
    asked_ids: list[int] = field(default_factory=list[int])
    skipped_ids: list[int] = field(default_factory=list[int])


class Operators:
    """The operators' arrows. Many records are changed in chunks, each in a transaction of its own."""

    def __init__(self, database: DatabaseManager) -> None:
        self.database = database

    def find_failed(
        self,
        flow_name: str | None = None,
        *,
        error: str | None = None,
        retry_count_below: int | None = None,
        crash_strikes_below: int | None = None,
        limit: int = MAXIMUM_RECORDS,
    ) -> list[int]:
        """The ids of failed records, in order. `error`: a part of their error message."""
        filters: dict[str, object] = {
            "flow_name": flow_name,
            "error": error,
            "retry_count_below": retry_count_below,
            "crash_strikes_below": crash_strikes_below,
            "limit": limit,
        }
        return self._ids("operators/failed_ids", filters)

    def reset(
        self, record_ids: Iterable[int], *, actor: str, search: Mapping[str, object] | None = None
    ) -> Reset:
        """reset: failed → pending. A record with no attempts left gets exactly one. `search`: for the audit."""
        done = Reset()
        for chunk in _chunks(record_ids):
            parameters = {**(search or {}), "ids": chunk}
            rows = again(lambda: self._change(actor, "reset", "arrows/reset", parameters))  # noqa: B023
            reset_ids = {row[0] for row in rows}
            done.reset_ids += sorted(reset_ids)
            done.skipped_ids += [i for i in chunk if i not in reset_ids]
        return done

    def find_live(
        self, flow_name: str, *, include_running: bool = True, limit: int = MAXIMUM_RECORDS
    ) -> list[int]:
        """The ids of a flow's pending (and processing) records, in order."""
        filters: dict[str, object] = {
            "flow_name": flow_name,
            "include_running": include_running,
            "limit": limit,
        }
        return self._ids("operators/unfinished_ids", filters)

    def cancel(
        self,
        record_ids: Iterable[int],
        *,
        actor: str,
        reason: str | None = None,
        search: Mapping[str, object] | None = None,
    ) -> Cancelled:
        """cancel: pending → cancelled at once; a processing record is asked to stop, its owner performs the arrow."""
        done = Cancelled()
        for chunk in _chunks(record_ids):
            parameters = {**(search or {}), "ids": chunk, "actor": actor, "reason": reason}
            rows = again(lambda: self._change(actor, "cancel", "arrows/cancel", parameters))  # noqa: B023
            what = dict(rows)
            done.cancelled_ids += [i for i in chunk if what.get(i) == "cancelled"]
            done.asked_ids += [i for i in chunk if what.get(i) == "asked"]
            done.skipped_ids += [i for i in chunk if i not in what]
        return done

    def purge(
        self,
        status: Finished,
        older_than: timedelta,
        *,
        actor: str,
        retry_count_at_least: int = 0,
        flow_name: str | None = None,
    ) -> int:
        """purge: finished → gone, with what belongs to the records. Returns how many."""
        parameters: dict[str, object] = {
            "status": status,
            "older_than": older_than,
            "retry_count_at_least": retry_count_at_least,
            "flow_name": flow_name,
            "limit": CHUNK_RECORDS,
            "after_id": 0,
        }
        purged_count = 0
        while True:
            rows = again(lambda: self._change(actor, f"purge {status}", "arrows/purge", parameters))
            purged_count += len(rows)
            if len(rows) < CHUNK_RECORDS:
                return purged_count
            parameters["after_id"] = max(row[0] for row in rows)

    def find_failed_of_group(self, error_group: str, *, limit: int = MAXIMUM_RECORDS) -> list[int]:
        """The ids of failed records whose last attempt ended with this kind of error."""
        return self._ids("operators/failed_ids_of_group", {"error_group": error_group, "limit": limit})

    def purge_records(self, record_ids: Iterable[int], *, actor: str) -> list[int]:
        """purge, of finished records by name. Returns the ids that are gone."""
        return self._change_all(actor, "purge", "arrows/purge_ids", {}, record_ids)

    def change_priority(self, record_ids: Iterable[int], priority: int, *, actor: str) -> list[int]:
        """Of pending records; 0 is the most urgent, 9 the least. Returns the ids that were changed. Raises
        PayloadRejectedError."""
        check_priority(priority)
        return self._change_all(
            actor, "change priority", "operators/change_priority", {"priority": priority}, record_ids
        )

    def check_flow(self, flow_name: str) -> None:
        """Raises UnknownFlowError, with what was perhaps meant."""
        with self.database.transaction() as cursor:
            _check_registered(cursor, flow_name)

    def pause(self, flow_name: str, *, actor: str, reason: str | None = None) -> list[str]:
        """Claim nothing more of it. Returns the flow's name, or nothing when it was paused already. Raises
        UnknownFlowError."""
        return self._switch("pause", flow_name, actor, reason)

    def resume(self, flow_name: str, *, actor: str) -> list[str]:
        return self._switch("resume", flow_name, actor, None)

    def stop_ingestion(self, flow_name: str | None, *, actor: str, reason: str | None = None) -> list[str]:
        """Refuse every new record but the runs' own; None: of all flows."""
        return self._switch(
            "stop_flow_ingestion" if flow_name else "stop_ingestion", flow_name, actor, reason
        )

    def resume_ingestion(self, flow_name: str | None, *, actor: str) -> list[str]:
        return self._switch(
            "resume_flow_ingestion" if flow_name else "resume_ingestion", flow_name, actor, None
        )

    def stop_processing(self, *, actor: str, reason: str | None = None) -> list[str]:
        """Nothing more is claimed, in the whole cluster. What runs, ends."""
        return self._switch("stop_processing", None, actor, reason)

    def resume_processing(self, *, actor: str) -> list[str]:
        return self._switch("resume_processing", None, actor, None)

    def _ids(self, statement: str, filters: dict[str, object]) -> list[int]:
        with self.database.transaction() as cursor:
            return [row[0] for row in cursor.execute(sql(statement), filters).fetchall()]

    def _switch(self, action: str, flow_name: str | None, actor: str, reason: str | None) -> list[str]:
        with self.database.transaction() as cursor:
            if flow_name is not None:
                _check_registered(cursor, flow_name)
            rows = cursor.execute(
                sql(f"flows/{action}"), {"flow_name": flow_name, "reason": reason}
            ).fetchall()
            names = sorted(row[0] for row in rows)
            _audit(cursor, actor, action, flow_name or "all flows", len(names), {"reason": reason})
        return names

    def _change_all(
        self,
        actor: str,
        action: str,
        statement: str,
        parameters: dict[str, Any],
        record_ids: Iterable[int],
    ) -> list[int]:
        changed: list[int] = []
        for chunk in _chunks(record_ids):
            chosen = parameters | {"ids": chunk}
            rows = again(lambda: self._change(actor, action, statement, chosen))  # noqa: B023
            changed += [row[0] for row in rows]
        return changed

    def _change(
        self, actor: str, action: str, statement: str, parameters: dict[str, Any]
    ) -> list[tuple[Any, ...]]:
        """One chunk of records. The audit tells which ids were meant, or what was looked for."""
        with self.database.transaction() as cursor:
            rows = cursor.execute(sql(statement), parameters).fetchall()
            details = {k: v for k, v in parameters.items() if k != "ids" and isinstance(v, str | int)}
            target = _shown_ids(sorted(row[0] for row in rows))
            _audit(cursor, actor, action, target, len(rows), details)
        return rows


def again(deed: Callable[[], T]) -> T:
    """Deadlocks, and records that were enqueued meanwhile with the same dedup_key, are worth another look."""
    for _ in range(CONFLICTS_BORNE):
        try:
            return deed()
        except (ConflictError, psycopg.errors.UniqueViolation):
            continue
    return deed()


def _check_registered(cursor: Cursor[Any], flow_name: str) -> None:
    known = cursor.execute(sql("flows/flow_names")).fetchall()
    if not is_storable_name(flow_name) or (flow_name,) not in known:
        run(cursor, refuse_flow(flow_name))


def _audit(
    cursor: Cursor[Any], actor: str, action: str, target: str, affected_count: int, details: dict[str, Any]
) -> None:
    parameters = {
        "actor": actor,
        "action": action,
        "target": target,
        "affected_count": affected_count,
        "details": Jsonb({name: value for name, value in details.items() if value is not None}),
    }
    cursor.execute(sql("operators/audit"), parameters)


def _shown_ids(ids: Sequence[int]) -> str:
    if not ids:
        return "no records"
    return f"records {', '.join(map(str, ids[:20]))}" + (f" … {ids[-1]}" if len(ids) > 20 else "")


def _chunks(record_ids: Iterable[int]) -> Iterable[list[int]]:
    """In id order: everybody locks in the same order. Raises UnknownRecordError, before anything is changed."""
    known = list(record_ids)
    for record_id in known:
        check_record_id(record_id)
    remaining = iter(sorted(set(known)))
    while chunk := list(islice(remaining, CHUNK_RECORDS)):
        yield chunk

"""The changes that operators make to the queue. Each transaction that changes something also writes a row of
audit_log."""

import warnings
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from datetime import timedelta
from typing import Any, Literal

from queue_store.database.index_plans import index_plans
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.enqueueing.new_record import check_priority
from queue_store.operators import unknown_flows
from queue_store.operators.audit import audit
from queue_store.operators.record_chunks import (
    CHUNK_RECORDS,
    CancelResult,
    MoveResult,
    ResetResult,
    checked_ids,
    in_chunks,
    retry_on_conflict,
    shown_ids,
)
from queue_store.progress import OnProgress, ignore_progress

MAXIMUM_RECORDS = 1_000_000
Finished = Literal["completed", "failed", "cancelled"]


class Operators:
    """The operators' arrows. Many records are changed in chunks, and each chunk has a transaction of its own. After
    each chunk, `on_progress` is called with the number of records done. Callers may replace `on_progress`."""

    def __init__(self, database: DatabaseManager) -> None:
        self.database = database
        self.on_progress: OnProgress = ignore_progress

    def find_failed(
        self,
        flow_name: str | None = None,
        *,
        error: str | None = None,
        retry_count_below: int | None = None,
        crash_strikes_below: int | None = None,
        limit: int = MAXIMUM_RECORDS,
    ) -> list[int]:
        """The ids of failed records, in ascending order. `error`: text that the records' error messages contain, in
        upper or lower case."""
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
    ) -> ResetResult:
        """reset: failed → pending. A record with no attempts left gets exactly one attempt. `search`: the search that
        found the records, for the audit log."""
        done, given = ResetResult(), list(record_ids)
        older = self._older_twins(given)
        for chunk in in_chunks(given, self.on_progress):
            parameters = {**(search or {}), "ids": [i for i in chunk if i not in older]}
            rows = retry_on_conflict(lambda: self._change(actor, "reset", "arrows/reset", parameters))  # noqa: B023
            reset_ids = {row[0] for row in rows}
            done.reset_ids += sorted(reset_ids)
            done.skipped_ids += [i for i in chunk if i not in reset_ids]
        return done

    def find_unfinished(
        self, flow_name: str, *, include_running: bool = True, limit: int = MAXIMUM_RECORDS
    ) -> list[int]:
        """The ids of a flow's pending records, in ascending order. With `include_running`, also the ids of the flow's
        processing records."""
        filters = {"flow_name": flow_name, "include_running": include_running, "limit": limit}
        return self._ids("operators/unfinished_ids", filters)

    def find_live(
        self, flow_name: str, *, include_running: bool = True, limit: int = MAXIMUM_RECORDS
    ) -> list[int]:
        """Deprecated: the old name of `find_unfinished`."""
        warnings.warn("find_live is called find_unfinished", DeprecationWarning, stacklevel=2)
        return self.find_unfinished(flow_name, include_running=include_running, limit=limit)

    def cancel(
        self,
        record_ids: Iterable[int],
        *,
        actor: str,
        reason: str | None = None,
        search: Mapping[str, object] | None = None,
        pending_only: bool = False,
    ) -> CancelResult:
        """cancel: pending → cancelled at once. A processing or locked record is asked to stop, and its run cancels it.
        With `pending_only`, processing and locked records are skipped."""
        done, what_else = CancelResult(), {"actor": actor, "reason": reason, "pending_only": pending_only}
        for chunk in in_chunks(record_ids, self.on_progress):
            parameters = {**(search or {}), **what_else, "ids": chunk}
            rows = retry_on_conflict(lambda: self._change(actor, "cancel", "arrows/cancel", parameters))  # noqa: B023
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
        """purge: deletes finished records, and all rows that belong to them. Returns the number of purged records."""
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
            rows = retry_on_conflict(
                lambda: self._change(actor, f"purge {status}", "arrows/purge", parameters)
            )
            purged_count += len(rows)
            self.on_progress(purged_count)
            if len(rows) < CHUNK_RECORDS:
                return purged_count
            parameters["after_id"] = max(row[0] for row in rows)

    def find_failed_of_group(self, error_group: str, *, limit: int = MAXIMUM_RECORDS) -> list[int]:
        """The ids of failed records whose last attempt ended with this kind of error."""
        return self._ids("operators/failed_ids_of_group", {"error_group": error_group, "limit": limit})

    def purge_records(self, record_ids: Iterable[int], *, actor: str) -> list[int]:
        """Purge these finished records. Returns the ids of the purged records."""
        return self._change_all(actor, "purge", "arrows/purge_ids", {}, record_ids)

    def change_priority(self, record_ids: Iterable[int], priority: int, *, actor: str) -> list[int]:
        """Change the priority of pending records; 0 is the most urgent, 9 the least. Returns the ids of the changed
        records. Raises PayloadRejectedError."""
        check_priority(priority)
        return self._change_all(
            actor, "change priority", "operators/change_priority", {"priority": priority}, record_ids
        )

    def check_flow(self, flow_name: str) -> None:
        """Raises UnknownFlowError, which suggests a similar name, if the flow is not registered."""
        with self.database.transaction() as cursor:
            unknown_flows.check_registered(cursor, flow_name)

    def check_flow_or_records(self, flow_name: str) -> bool:
        """Whether the name is registered. Raises UnknownFlowError if the name is not registered and has no records
        either."""
        with self.database.transaction() as cursor:
            return unknown_flows.check_flow_or_records(cursor, flow_name)

    def move(self, flow_name: str, to_flow_name: str, *, actor: str) -> MoveResult:
        """Move the pending and failed records of a name to a flow, with their attempts and counts. The name must not
        be that of a registered flow.

        Raises UnknownFlowError, RegisteredFlowError.
        """
        return unknown_flows.move(
            self.database, flow_name, to_flow_name, actor=actor, on_progress=self.on_progress
        )

    def pause(self, flow_name: str, *, actor: str, reason: str | None = None) -> list[str]:
        """Stop claims of the flow. Returns a list with the flow's name, or an empty list if the flow was paused
        already. Raises UnknownFlowError."""
        return self._switch("pause", flow_name, actor, reason)

    def resume(self, flow_name: str, *, actor: str) -> list[str]:
        return self._switch("resume", flow_name, actor, None)

    def stop_ingestion(self, flow_name: str | None, *, actor: str, reason: str | None = None) -> list[str]:
        """Refuse every new record of the flow, or of every flow if `flow_name` is None. Recurring records, restored
        records, and records that runs enqueue are still accepted."""
        return self._switch(
            "stop_flow_ingestion" if flow_name else "stop_ingestion", flow_name, actor, reason
        )

    def resume_ingestion(self, flow_name: str | None, *, actor: str) -> list[str]:
        return self._switch(
            "resume_flow_ingestion" if flow_name else "resume_ingestion", flow_name, actor, None
        )

    def stop_processing(self, *, actor: str, reason: str | None = None) -> list[str]:
        """Stop all claims of all workers. Handlers that are running finish."""
        return self._switch("stop_processing", None, actor, reason)

    def resume_processing(self, *, actor: str) -> list[str]:
        return self._switch("resume_processing", None, actor, None)

    def _older_twins(self, record_ids: list[int]) -> set[int]:
        """Of the failed records with the same dedup_key, returns all but the newest. Returns nothing if one chunk holds
        all ids: the statement that resets a chunk compares the chunk's records itself. Raises UnknownRecordError."""
        if len(record_ids) <= CHUNK_RECORDS:
            return set()
        return set(self._ids("operators/older_twins", {"ids": checked_ids(record_ids)}))

    def _ids(self, statement: str, filters: Mapping[str, object]) -> list[int]:
        with self.database.transaction() as cursor:
            return [row[0] for row in cursor.execute(sql(statement), filters).fetchall()]

    def _switch(self, action: str, flow_name: str | None, actor: str, reason: str | None) -> list[str]:
        with self.database.transaction() as cursor:
            if flow_name is not None:
                unknown_flows.check_registered(cursor, flow_name)
            rows = cursor.execute(
                sql(f"flows/{action}"), {"flow_name": flow_name, "reason": reason}
            ).fetchall()
            names = sorted(row[0] for row in rows)
            audit(cursor, actor, action, flow_name or "all flows", len(names), {"reason": reason})
        return names

    def _change_all(
        self, actor: str, action: str, statement: str, parameters: dict[str, Any], record_ids: Iterable[int]
    ) -> list[int]:
        changed: list[int] = []
        for chunk in in_chunks(record_ids, self.on_progress):
            chosen = parameters | {"ids": chunk}
            rows = retry_on_conflict(lambda: self._change(actor, action, statement, chosen))  # noqa: B023
            changed += [row[0] for row in rows]
        return changed

    def _change(
        self, actor: str, action: str, statement: str, parameters: dict[str, Any]
    ) -> list[tuple[Any, ...]]:
        """The audit log names the first 20 ids, the last id, and the search, if there was one."""
        with self.database.transaction() as cursor:
            with index_plans(cursor) if statement == "arrows/purge" else nullcontext():
                rows = cursor.execute(sql(statement), parameters).fetchall()
            details = {
                k: v
                for k, v in parameters.items()
                if k != "ids" and isinstance(v, str | int) and v is not False
            }
            target = shown_ids(sorted(row[0] for row in rows))
            audit(cursor, actor, action, target, len(rows), details)
        return rows

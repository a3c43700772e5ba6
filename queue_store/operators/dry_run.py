"""Says what `reset`, `cancel` or `move` would do, and changes nothing. A dry run chooses the same records as the
operation itself, but does not notice locks."""

from dataclasses import dataclass
from typing import Any

from psycopg import Cursor

from queue_store.database.index_plans import index_plans
from queue_store.database.statements import sql


@dataclass(frozen=True, slots=True)
class WouldChange:
    """`asked_count`: how many processing records would be asked to stop. `skipped_count`: how many records would not
    change."""

    changed_count: int
    asked_count: int
    skipped_count: int


@dataclass(frozen=True, slots=True)
class WouldMove:
    """`skipped`: pending records that would stay, because the flow has an unfinished record with the same
    dedup_key."""

    pending: int
    failed: int
    skipped: int


def would_reset(cursor: Cursor[Any], record_ids: list[int]) -> WouldChange:
    row = cursor.execute(sql("operators/count_to_reset"), {"ids": record_ids}).fetchone()
    count = row[0] if row else 0
    return WouldChange(count, 0, len(set(record_ids)) - count)


def would_cancel(cursor: Cursor[Any], record_ids: list[int], *, pending_only: bool = False) -> WouldChange:
    row = cursor.execute(sql("operators/count_to_cancel"), {"ids": record_ids}).fetchone()
    pending, processing = row or (0, 0)
    processing = 0 if pending_only else processing
    return WouldChange(pending, processing, len(set(record_ids)) - pending - processing)


def would_move(cursor: Cursor[Any], flow_name: str, to_flow_name: str | None) -> WouldMove:
    """If `to_flow_name` is None, the target flow is unknown, so no record counts as skipped."""
    parameters = {"flow_name": flow_name, "to_flow_name": to_flow_name}
    with index_plans(cursor):
        row = cursor.execute(sql("operators/count_to_move"), parameters).fetchone()
    return WouldMove(*(row or (0, 0, 0)))

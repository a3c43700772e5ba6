"""Says what `reset` or `cancel` would do, and changes nothing. A dry run chooses the same records as the arrow itself,
but does not notice locks."""

from dataclasses import dataclass
from typing import Any

from psycopg import Cursor

from queue_store.database.statements import sql


@dataclass(frozen=True, slots=True)
class WouldChange:
    """`asked_count`: processing records that would be asked to stop. `skipped_count`: records that would stay as
    they are."""

    changed_count: int
    asked_count: int
    skipped_count: int


def would_reset(cursor: Cursor[Any], record_ids: list[int]) -> WouldChange:
    row = cursor.execute(sql("operators/count_to_reset"), {"ids": record_ids}).fetchone()
    count = row[0] if row else 0
    return WouldChange(count, 0, len(set(record_ids)) - count)


def would_cancel(cursor: Cursor[Any], record_ids: list[int], *, pending_only: bool = False) -> WouldChange:
    row = cursor.execute(sql("operators/count_to_cancel"), {"ids": record_ids}).fetchone()
    pending, processing = row or (0, 0)
    processing = 0 if pending_only else processing
    return WouldChange(pending, processing, len(set(record_ids)) - pending - processing)

"""Reads the orphans: records in status `processing` whose run is not alive, or whose claim is too old."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from queue_store.database.rows import rows_as
from queue_store.database.statements import sql
from queue_store.settings import ProcessorSettings

RECORDS_AT_MOST = 50_000
RESCUE_IS_LATE_SECONDS = 60.0  # rescue promises 20 s


@dataclass(frozen=True, slots=True)
class OrphanGroup:
    """`late_count`: the number of orphans that rescue should have given back by now."""

    flow_name: str
    cause: str
    record_count: int
    late_count: int
    oldest_claimed_at: datetime
    record_ids: list[int]


def read_orphans(
    cursor: Cursor[Any],
    settings: ProcessorSettings,
    orphan_timeout_seconds: float | None = None,
    *,
    records_at_most: int | None = None,
) -> list[OrphanGroup]:
    """Looks at no more than `records_at_most` processing records, by default 50,000."""
    rows = cursor.execute(
        sql("readings/orphans"),
        {
            "limit": records_at_most or RECORDS_AT_MOST,
            "lease_seconds": settings.lease_seconds,
            "late_seconds": max(RESCUE_IS_LATE_SECONDS, 3 * settings.lease_seconds),
            "orphan_timeout_seconds": orphan_timeout_seconds or settings.cleanup_timeout_hours * 3600,
        },
    )
    return rows_as(rows, OrphanGroup)

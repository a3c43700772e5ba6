"""Purges finished records, history and the audit log when their retention is over."""

from bisect import bisect_right
from collections.abc import Collection
from typing import Any

from queue_store.database.arrays import NumberArray
from queue_store.database.index_plans import index_plans
from queue_store.database.statements import sql
from queue_store.maintenance.maintenance_run import MaintenanceRun
from queue_store.settings import ProcessorSettings

RECORDS_AT_ONCE = 5_000
DAY_SECONDS = 86_400
HISTORY = (
    "runs",
    "worker_processes",
    "attempts",
    "rollup_minutes",
    "rollup_hours",
    "error_hours",
    "depths",
    "alerts",
    "occurrences",
    "maintenance_runs",
    "connection_checks",
    "audit",
)


def purge_finished(
    run: MaintenanceRun, settings: ProcessorSettings, would_reset_ids: Collection[int] = ()
) -> dict[str, int]:
    """Reads all ids in pages, so this purge needs no index of its own and holds no lock for long. Returns how many
    records of each status were purged. `would_reset_ids`: failed records that a dry run leaves out, because a real
    execution would reset them first."""
    parameters: dict[str, Any] = {
        "completed_seconds": settings.retention_completed_days * DAY_SECONDS,
        "failed_seconds": settings.retention_failed_days * DAY_SECONDS,
        "failed_minimum_retries": settings.retention_failed_minimum_retries,
        "any_failed_seconds": settings.retention_any_failed_days * DAY_SECONDS,
        "cancelled_seconds": settings.retention_cancelled_days * DAY_SECONDS,
        "limit": RECORDS_AT_ONCE,
        "dry_run": run.dry_run,
    }
    spared_ids = sorted(would_reset_ids)
    purged = {"completed": 0, "failed": 0, "cancelled": 0}
    after_id: int | None = 0
    before = run.affected_count
    while after_id is not None:
        with run.chunk() as cursor:
            page = {"after_id": after_id, "spared_ids": _of_the_page(spared_ids, after_id)}
            with index_plans(cursor):  # otherwise each page may read all records that are left
                row = cursor.execute(sql("arrows/purge_expired"), parameters | page).fetchone()
            after_id, *counts = row or (None, 0, 0, 0)
            purged = {status: purged[status] + count for status, count in zip(purged, counts, strict=True)}
            run.affected_count = before + sum(purged.values())
    run.result["records_purged"] = purged
    return purged


def _of_the_page(spared_ids: list[int], after_id: int) -> NumberArray:
    """A page has at most RECORDS_AT_ONCE ids, so no further ids are needed."""
    first = bisect_right(spared_ids, after_id)
    return NumberArray(spared_ids[first : first + RECORDS_AT_ONCE])


def purge_history(run: MaintenanceRun, settings: ProcessorSettings) -> dict[str, int]:
    """Purges all history whose retention is over, but no records. Call this before `purge_finished`, which also deletes
    attempts. If `purge_finished` came first, a purge would count fewer attempts than its dry run. Returns how many rows
    of each kind were purged."""
    purged = {kind: _purge_kind(run, settings, kind) for kind in HISTORY}
    run.result["history_purged"] = purged
    return purged


def _purge_kind(run: MaintenanceRun, settings: ProcessorSettings, kind: str) -> int:
    parameters: dict[str, Any] = {
        "history_seconds": settings.retention_history_days * DAY_SECONDS,
        "audit_seconds": settings.retention_audit_days * DAY_SECONDS,
        "limit": None if run.dry_run else RECORDS_AT_ONCE,
        "dry_run": run.dry_run,
    }
    purged = 0
    while True:
        with run.chunk() as cursor:
            row = cursor.execute(sql(f"maintenance/purge/{kind}"), parameters).fetchone()
            count = row[0] if row else 0
            run.affected_count += count
        purged += count
        if run.dry_run or count < RECORDS_AT_ONCE:
            return purged

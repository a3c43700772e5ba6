"""The weekly reset of failed records that have attempts left."""

from datetime import UTC, datetime
from typing import Any

from queue_store.database.index_plans import index_plans
from queue_store.database.statements import sql
from queue_store.maintenance.maintenance_run import MaintenanceRun
from queue_store.operators.record_chunks import retry_on_conflict
from queue_store.settings import ProcessorSettings

RECORDS_AT_ONCE = 1_000
_BEGINNING = ("", datetime(2000, 1, 1, tzinfo=UTC), 0)


def reset_failed(
    run: MaintenanceRun,
    settings: ProcessorSettings,
    max_retries: int,
    would_reset_ids: set[int] | None = None,
) -> int:
    """Reset failed records with fewer failed attempts than `max_retries`. Records without attempts left, records of
    Celery tasks, and records that failed because of crash strikes stay failed. Returns how many records were reset, or
    in a dry run how many would be reset. A dry run adds their ids to `would_reset_ids`, if that set is given."""
    parameters: dict[str, Any] = {
        "max_retries": max_retries,
        "max_crash_strikes": settings.max_crash_strikes,
        "limit": RECORDS_AT_ONCE,
    }
    with run.chunk() as cursor:
        row = cursor.execute("SELECT now()").fetchone()
        parameters["before"] = row and row[0]
        with index_plans(cursor):
            twins = cursor.execute(sql("maintenance/older_resettable_twins"), parameters)
            older_twin_ids = {record_id for (record_id,) in twins}
    last = _BEGINNING
    while True:
        after = {"after_flow_name": last[0], "after_updated_at": last[1], "after_id": last[2]}
        before = run.affected_count
        page = retry_on_conflict(
            lambda: _reset_page(run, parameters | after, older_twin_ids, before, would_reset_ids)  # noqa: B023
        )
        if len(page) < RECORDS_AT_ONCE:
            break
        last = page[-1]
    run.result["records_reset"] = run.affected_count
    return run.affected_count


def _reset_page(
    run: MaintenanceRun,
    parameters: dict[str, Any],
    older_twin_ids: set[int],
    affected_before: int,
    would_reset_ids: set[int] | None,
) -> list[Any]:
    with run.chunk() as cursor:
        with index_plans(cursor):
            page = cursor.execute(sql("maintenance/resettable"), parameters).fetchall()
        ids = [record_id for _, _, record_id in page if record_id not in older_twin_ids]
        if run.dry_run and would_reset_ids is not None:
            would_reset_ids.update(ids)
        if not run.dry_run:
            ids = cursor.execute(sql("arrows/reset"), {"ids": ids}).fetchall()
        run.affected_count = affected_before + len(ids)
    return page

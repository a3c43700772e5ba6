"""The functions of maintenance. The schedule, `queuectl maintenance` and people at a Python prompt call these
functions."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from queue_store import maintenance
from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from queue_store.maintenance import MaintenanceRun
from queue_store.readings.trends import renew_baselines
from queue_store.settings import ProcessorSettings, load_processor_settings

from .capacity import calculate_capacity_utilization
from .databases import database_named
from .diagnostics import distributed_processing_diagnostics

logger = logging.getLogger(__name__)

MAXIMUM_HOURS = 24 * 365


def distributed_system_maintenance(
    cleanup_orphaned_records: bool = False,
    orphaned_timeout_hours: float | None = None,
    reset_failed_records: bool = False,
    max_retries: int = 3,
    purge_old_records: bool = False,
    dry_run: bool = True,
    actor: str = "a Python caller",
    on_progress: Callable[[str, int], None] | None = None,
) -> dict[str, Any]:
    """Run the chosen operations one after the other: clean-up, reset, purge. A dry run (the default) says what would be
    done and changes nothing. It does not count a record as purged that it counts as reset. A Celery message cannot
    contain `on_progress`. `on_progress` is called after each chunk, with the name of the operation and the number of
    rows that the operation has affected so far.

    `orphaned_timeout_hours` defaults to CLEANUP_TIMEOUT_HOURS. `max_retries`: records with fewer failed attempts are
    reset, if their flows allow another attempt. Failed records of Celery tasks are not reset. Raises ValueError for
    wrong arguments, MaintenanceError if the same operation is running already, and DatabaseUnavailableError.
    """
    settings = load_processor_settings()
    timeout_hours = (
        settings.cleanup_timeout_hours if orphaned_timeout_hours is None else orphaned_timeout_hours
    )
    _check(cleanup_orphaned_records or reset_failed_records or purge_old_records, timeout_hours, max_retries)
    database = database_named()
    options = {"dry_run": dry_run, "actor": actor, "listener": on_progress}
    results: dict[str, Any] = {"timestamp": datetime.now(UTC).isoformat(), "dry_run": dry_run}
    if cleanup_orphaned_records:
        results["cleanup_results"] = _clean_up(database, settings, timeout_hours, options)
    would_reset_ids: set[int] = set()
    if reset_failed_records:
        results["reset_results"] = _reset(database, settings, max_retries, would_reset_ids, options)
    if purge_old_records:
        results["retention_results"] = _purge(database, settings, would_reset_ids, options)
    return results


def weekly_reset() -> dict[str, Any]:
    """Log all issues, then reset the failed records with fewer than three failed attempts, if their flows allow
    another attempt."""
    diagnostics = distributed_processing_diagnostics()
    logger.info("before the weekly reset: %s", "; ".join(diagnostics["issues_found"]) or "no issues")
    return distributed_system_maintenance(reset_failed_records=True, dry_run=False, actor="schedule")


def monthly_retention() -> dict[str, Any]:
    """Purge everything that is older than its retention, then log the capacity."""
    results = distributed_system_maintenance(purge_old_records=True, dry_run=False, actor="schedule")
    capacity = calculate_capacity_utilization()
    logger.info(
        "capacity: %s %% used, containers wanted: %s, days until the limit: %s",
        capacity["utilization_percent"],
        capacity["wanted_containers"],
        capacity["growth"]["days_until_limit"],
    )
    return results | {"capacity": capacity}


def nightly_review() -> dict[str, Any]:
    """Calculate the usual rates of each hour of the week. Then correct the counts, which are wrong if somebody changed
    a status by hand."""
    database = database_named()
    with maintenance.begin(database, "nightly_review", dry_run=False, actor="schedule") as run:
        with run.chunk() as cursor:
            learned = renew_baselines(cursor)
        with (
            run.chunk() as cursor
        ):  # comes last: if a later step failed, nobody would learn of the corrections
            corrections = rollups.recount(cursor)
            run.affected_count = len(corrections)
        run.result = {
            "corrections": {c.flow_name: [c.total, c.completed, c.failed, c.cancelled] for c in corrections},
            "baselines": learned,
        }
    return run.result


def _check(anything: bool, timeout_hours: float, max_retries: int) -> None:
    if not anything:
        raise ValueError(
            "nothing was chosen: pass cleanup_orphaned_records, reset_failed_records or purge_old_records"
        )
    if isinstance(timeout_hours, bool) or not 0 < timeout_hours <= MAXIMUM_HOURS:
        raise ValueError(
            f"orphaned_timeout_hours must be more than 0 and at most {MAXIMUM_HOURS}, not {timeout_hours}"
        )
    if isinstance(max_retries, bool) or max_retries < 1:
        raise ValueError(f"max_retries must be 1 or more, not {max_retries}")


def _begin(
    database: DatabaseManager, operation: str, *, listener: Callable[[str, int], None] | None, **options: Any
) -> AbstractContextManager[MaintenanceRun]:
    if listener is not None:
        options["on_progress"] = partial(listener, operation)
    return maintenance.begin(database, operation, **options)


def _clean_up(
    database: DatabaseManager, settings: ProcessorSettings, timeout_hours: float, options: dict[str, Any]
) -> dict[str, Any]:
    parameters = {"orphaned_timeout_hours": timeout_hours}
    with _begin(database, "cleanup_orphaned_records", parameters=parameters, **options) as run:
        cleaned = maintenance.clean_up_orphans(run, settings, timeout_hours * 3600)
    return {"records_cleaned": cleaned, "maintenance_run_id": run.id} | parameters


def _reset(
    database: DatabaseManager,
    settings: ProcessorSettings,
    max_retries: int,
    would_reset_ids: set[int],
    options: dict[str, Any],
) -> dict[str, Any]:
    parameters = {"max_retries": max_retries}
    with _begin(database, "reset_failed_records", parameters=parameters, **options) as run:
        count = maintenance.reset_failed(run, settings, max_retries, would_reset_ids)
    return {"records_reset": count, "maintenance_run_id": run.id} | parameters


def _purge(
    database: DatabaseManager, settings: ProcessorSettings, would_reset_ids: set[int], options: dict[str, Any]
) -> dict[str, Any]:
    with _begin(database, "purge_old_records", **options) as run:
        history = maintenance.purge_history(run, settings)
        records = maintenance.purge_finished(run, settings, would_reset_ids)
    return {"records_purged": records, "history_purged": history, "maintenance_run_id": run.id}

"""Puts right what the integrity checks find and what can be put right without guessing. The rest is left to people."""

from queue_store.counts import rollups
from queue_store.database.statements import sql
from queue_store.maintenance.maintenance_run import MaintenanceRun

RECORDS_AT_ONCE = 1_000
REPAIRS = (
    "impossible_states",
    "claims_without_a_run",
    "attempts_that_do_not_fit",
    "sequence_behind",
)
COUNTS = "counts_that_do_not_add_up"


def repair(run: MaintenanceRun) -> dict[str, int]:
    """How many rows each repair put right; a dry run says how many it would."""
    repaired = {name: _repair(run, name) for name in REPAIRS}
    repaired[COUNTS] = _correct_counts(run)
    run.affected_count = sum(repaired.values())
    run.result["repaired"] = repaired
    return repaired


def _repair(run: MaintenanceRun, name: str) -> int:
    count = 0
    while True:
        limit = 1_000_000_000 if run.dry_run else RECORDS_AT_ONCE
        with run.chunk() as cursor:
            rows = cursor.execute(
                sql(f"maintenance/repair/{name}"), {"limit": limit, "dry_run": run.dry_run}
            ).fetchall()
        count += len(rows)
        if run.dry_run or len(rows) < RECORDS_AT_ONCE:
            return count


def _correct_counts(run: MaintenanceRun) -> int:
    """The number of flows whose counts were wrong."""
    if not run.dry_run:
        return len(rollups.recount(run.database))
    with run.chunk() as cursor:
        parameters = {"limit": 1_000_000_000, "at_a_glance": False}
        rows = cursor.execute(sql(f"maintenance/integrity/{COUNTS}"), parameters).fetchall()
    return len(rows)

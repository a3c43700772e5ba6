"""Repairs what the integrity checks find, if the right state is certain. All other problems are left to people."""

from psycopg.types.json import Jsonb

from queue_store.counts import rollups
from queue_store.database.statements import sql
from queue_store.maintenance.maintenance_run import MaintenanceRun

RECORDS_AT_ONCE = 1_000
FOLDED = ("rollups_that_disagree", "overall_counts_that_disagree")
"""These repairs change tables that a fold also writes, so they are made while folds are blocked."""
REPAIRS = (
    "impossible_states",
    "claims_without_a_run",
    "attempts_that_do_not_fit",
    "sequence_behind",
    "attempts_lost",
    *FOLDED,
)
COUNTS = "counts_that_do_not_add_up"
SEALS = "broken_seals"
EVERYTHING = 1_000_000_000


def repair(run: MaintenanceRun) -> dict[str, int]:
    """Returns the number of rows that each repair corrected, or in a dry run would correct. For wrong totals, the value
    is the number of flows whose totals were wrong. For the audit log, the value is the number of problems that were
    found."""
    repaired = {name: _repair(run, name) for name in REPAIRS}
    repaired[COUNTS] = _recount(run)
    repaired[SEALS] = _seal_anew(run)
    run.result["repaired"] = repaired
    return repaired


def _repair(run: MaintenanceRun, name: str) -> int:
    count = 0
    while True:
        limit = EVERYTHING if run.dry_run else RECORDS_AT_ONCE
        with run.chunk() as cursor:
            if name in FOLDED:
                cursor.execute(sql("counts/wait_for_rollups"))
            rows = cursor.execute(
                sql(f"maintenance/repair/{name}"), {"limit": limit, "dry_run": run.dry_run}
            ).fetchall()
            run.affected_count += len(rows)
        count += len(rows)
        if run.dry_run or len(rows) < RECORDS_AT_ONCE:
            return count


def _recount(run: MaintenanceRun) -> int:
    with run.chunk() as cursor:
        corrections = rollups.recount(cursor, dry_run=run.dry_run)
        run.affected_count += len(corrections)
    return len(corrections)


def _seal_anew(run: MaintenanceRun) -> int:
    """Seals all rows of the audit log again if the check of the seals finds problems. Returns the number of problems.
    Seals nothing in a dry run. Lost rows stay lost. A new row of the audit log lists the problems that were found."""
    with run.chunk() as cursor:
        rows = cursor.execute(
            sql(f"maintenance/integrity/{SEALS}"), {"limit": EVERYTHING, "at_a_glance": False}
        )
        found = [row[0] for row in rows]
        if found and not run.dry_run:
            parameters = {"id": run.id, "found": Jsonb(found)}
            cursor.execute(sql("maintenance/repair/broken_seals"), parameters)
        run.affected_count += len(found)
    return len(found)

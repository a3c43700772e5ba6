"""Gives back the orphans that rescue has not given back yet."""

from queue_store.liveness.rescue import Rescue
from queue_store.maintenance.maintenance_run import MaintenanceRun
from queue_store.readings.orphans import read_orphans
from queue_store.settings import ProcessorSettings

EVERY_RECORD = 1_000_000_000


def clean_up_orphans(run: MaintenanceRun, settings: ProcessorSettings, orphan_timeout_seconds: float) -> int:
    """Give back every orphan. Returns the number of orphans given back, or in a dry run the number of all orphans."""
    if run.dry_run:
        with run.chunk() as cursor:
            orphans = read_orphans(cursor, settings, orphan_timeout_seconds, records_at_most=EVERY_RECORD)
            run.affected_count = sum(group.record_count for group in orphans)
    else:
        _give_back(run, Rescue(run.database, settings), orphan_timeout_seconds)
    run.result["records_cleaned"] = run.affected_count
    return run.affected_count


def _give_back(run: MaintenanceRun, rescue: Rescue, orphan_timeout_seconds: float) -> None:
    while True:
        with run.chunk():
            pass  # stores the count only: rescue uses transactions of its own
        rescued = rescue.sweep()
        run.affected_count += rescued.record_count
        # A sweep looks at the oldest unsettled runs. If the sweep settled a run, the next sweep looks at further runs.
        if not (rescued.record_count or rescued.dead_run_ids or rescued.settled_run_ids):
            break
    overdue = rescue.sweep_overdue(orphan_timeout_seconds)
    with run.chunk():
        run.affected_count += overdue.record_count

"""Maintenance of the stored data. Each operation works in bounded chunks, and a row of maintenance_runs stores its
progress and its result. Two executions of the same operation never overlap, unless one of them is a dry run. A dry run
reports what a real execution would do."""

from queue_store.maintenance.maintenance_run import MaintenanceRun, begin
from queue_store.maintenance.orphan_cleanup import clean_up_orphans
from queue_store.maintenance.repair import repair
from queue_store.maintenance.retention import purge_finished, purge_history
from queue_store.maintenance.weekly_reset import reset_failed

__all__ = [
    "MaintenanceRun",
    "begin",
    "clean_up_orphans",
    "purge_finished",
    "purge_history",
    "repair",
    "reset_failed",
]

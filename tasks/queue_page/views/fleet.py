"""Who works: runs and worker processes."""

from typing import TYPE_CHECKING, Any

from queue_store.readings.fleet import read_fleet
from queue_store.readings.runs import read_runs

if TYPE_CHECKING:
    from . import Look


def runs(look: "Look") -> dict[str, Any]:
    fleet = read_fleet(look.cursor, look.settings)
    found = read_runs(look.cursor)
    return {
        "alive": [run for run in found if run.finished_at is None],
        "over": [run for run in found if run.finished_at is not None],
        "processes": fleet.processes,
        "lease_seconds": look.settings.lease_seconds,
    }

"""Who works: runs and worker processes."""

from typing import Any

from queue_store.readings.fleet import read_fleet
from queue_store.readings.runs import read_runs

from .request import ViewRequest


def runs(request: ViewRequest) -> dict[str, Any]:
    fleet = read_fleet(request.cursor, request.settings)
    found = read_runs(request.cursor)
    return {
        "alive": [run for run in found if run.finished_at is None],
        "over": [run for run in found if run.finished_at is not None],
        "processes": fleet.processes,
        "lease_seconds": request.settings.lease_seconds,
    }

"""Runs and worker processes."""

from dataclasses import asdict, replace
from typing import Any

from queue_store.readings.fleet import read_fleet, read_runs_alive
from queue_store.readings.run_details import read_attempts_of_run, read_records_of_run, read_run_details
from queue_store.readings.runs import RUNS_AT_MOST, read_runs, read_runs_of_processes

from .request import ViewRequest

FLOWS_NAMED = 5


def runs(request: ViewRequest) -> dict[str, Any]:
    """Returns the oldest runs that are alive, the number of all runs that are alive, and the newest runs that are
    over."""
    found = read_runs(request.cursor)
    alive = [run for run in found if run.finished_at is None]
    count = len(alive)
    if count == RUNS_AT_MOST:
        count = max(count, sum(of_flow.run_count for of_flow in read_runs_alive(request.cursor)))
    over = [run for run in found if run.finished_at is not None]
    return {"alive": alive, "alive_count": count, "over": over}


def run(request: ViewRequest) -> dict[str, Any]:
    """Raises UnknownRunError."""
    run_id = request.arguments.needed_uuid("run")
    return {
        "run": read_run_details(request.cursor, run_id),
        "records": read_records_of_run(request.cursor, run_id),
        "attempts": read_attempts_of_run(request.cursor, run_id),
    }


def processes(request: ViewRequest) -> dict[str, Any]:
    """Returns the worker processes that are alive or silent, and those that died in the last hour, each with its
    run. If a process serves many flows, only the first few flows are named."""
    fleet = read_fleet(request.cursor, request.settings)
    running = {run.worker_process_id: run for run in read_runs_of_processes(request.cursor)}
    return {
        "processes": [
            asdict(replace(process, flow_names=process.flow_names[:FLOWS_NAMED]))
            | {
                "flow_count": len(process.flow_names),
                "run": running.get(process.worker_process_id),
            }
            for process in fleet.processes
        ],
        "lease_seconds": request.settings.lease_seconds,
    }

"""Measures how much CPU each step of a worker takes: `make bench-worker` (RECORDS=100000).

Processes records of a no-op flow in claimed batches. The work is done in this process, without Celery and without the
background threads of a pool child. Measures the CPU time of each step of a batch. If a step calls other steps, its own
time does not include theirs. Prints microseconds per record. The figure of a step is the tenth percentile of its calls'
times, so that other programs on the machine have little influence.
"""

import functools
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from benchmarks import queue_state
from benchmarks.bench_servers import running_servers
from queue_store.runs.claimer import Claimer
from queue_store.runs.run import Run
from queue_store.settings import ProcessorSettings
from tasks.run_loop.delivery import Delivery
from tasks.run_loop.guest import ProcessState
from tasks.run_loop.loop import run_flow
from tasks.run_loop.one_by_one import OneByOne
from tasks.worker.services import WorkerServices

BATCH_SIZE = 100
FLOW = "no_op_claimed"
STEPS: dict[str, tuple[type, str]] = {
    "decode and build records": (Claimer, "read"),
    "call handlers": (OneByOne, "execute"),
    "collect outcomes into statements": (Run, "outcome_statements"),
    "send, wait, commit": (Run, "exchange"),
    "put the process back": (ProcessState, "put_back"),
    "all else between two batches": (Delivery, "flush_and_claim"),
}


class Stopwatch:
    """Measures the CPU seconds of each call of a step. If the step calls other steps, their time is left out."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self._inside = [0.0]

    def watch(self, step: str, owner: type, name: str) -> None:
        call: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(call)
        def timed(*arguments: Any, **named: Any) -> Any:
            self._inside.append(0.0)
            began = time.thread_time()
            try:
                return call(*arguments, **named)
            finally:
                took = time.thread_time() - began
                self.seconds[step].append(took - self._inside.pop())
                self._inside[-1] += took

        setattr(owner, name, timed)


def main() -> None:
    records = int(os.environ.get("RECORDS", "100000"))
    stopwatch = Stopwatch()
    for step, (owner, name) in STEPS.items():
        stopwatch.watch(step, owner, name)
    with running_servers() as servers, servers.connect() as connection:
        os.environ["DATABASE_URL"] = servers.url
        services = WorkerServices(ProcessorSettings(flow_modules=("benchmarks.flows_measured",)), ["flows"])
        services.register()
        try:
            queue_state.enqueue(connection, records, FLOW)
            counts = run_flow(services, services.flows[FLOW])
        finally:
            services.close()
    if counts.records_completed != records:
        raise SystemExit(f"{counts.records_completed} of {records} records were completed in one run")
    for step, took in stopwatch.seconds.items():
        if len(took) < records // BATCH_SIZE:
            raise SystemExit(f"{step!r} was measured {len(took)} times for {records // BATCH_SIZE} batches")
    quick = {step: statistics.quantiles(took, n=10)[0] for step, took in stopwatch.seconds.items()}
    for step in STEPS:
        print(f"{step:34} {quick[step] / BATCH_SIZE * 1e6:5.2f} µs")
    print(f"{'together':34} {sum(quick.values()) / BATCH_SIZE * 1e6:5.2f} µs a record")


if __name__ == "__main__":
    main()

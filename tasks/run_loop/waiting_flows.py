"""Makes runs of several waiting flows in a row. If a worker has many flows, a run is followed by runs of other
waiting flows, without a hint for each of them. So hundreds of flows with a few records each need no more hints than
one flow with many records. If a run is short, the next run begins in the transaction that ends this run
(queue_store/runs/succession.py).

Each process goes through the waiting flows in ascending order of their names. After the last name, the process goes on
with the first name. This first walk begins at a random flow, and stops at the flow at which the walk of another process
began. Then the process reads again which flows wait, and goes through them in descending order. This second walk begins
one flow before the flow with which the first walk began. The second walk stops where it meets flows that another
process has already run. So a process needs only a few readings of the waiting flows.
"""

import random
import time
from bisect import bisect_left
from functools import partial
from itertools import zip_longest

from queue_store.flows import FlowWithWork, with_work
from queue_store.runs.run import Run

from ..worker.services import WorkerServices
from .end_of_run import end_broken_run
from .first_slice import first_slice
from .loop import new_run, run_flow

MANY_FLOWS = 20  # if a worker has fewer flows, each run has its own hint
EMPTY_RUNS = 2  # if this many runs in a row claim nothing, read again which flows wait


def run_waiting_flows(services: WorkerServices) -> None:
    """Make runs of waiting flows until no flow waits, nothing more can be claimed, or a time slice is over. Raises
    QueueStoreError."""
    if len(services.flows) < MANY_FLOWS:
        return
    ends_at = time.monotonic() + services.settings.time_slice_seconds
    circle = _Circle()
    while waiting := _waiting(services):
        if not _run_one_after_another(services, circle.walk(waiting), ends_at):
            return


def _run_one_after_another(services: WorkerServices, flows: list[FlowWithWork], ends_at: float) -> bool:
    """Make a run of each of the `flows`. Once a run has claimed records, stop after `EMPTY_RUNS` runs in a row that
    claim nothing: other processes have probably run the next flows already. Returns False if nothing was claimed, or if
    no other run may begin."""
    claimed_count = empty_count = 0
    successor: Run | None = None
    for flow, next_flow in zip_longest(flows, flows[1:]):
        run = successor or _new_run(services, flow, ends_at)
        if run is None:
            if not services.is_closing:
                services.hints.send(flow.flow_name, flow.celery_queue)
            return False
        if next_flow:
            run.new_successor = partial(_new_run, services, next_flow, ends_at)
        claimed = _run(services, flow, run)
        successor = run.successor
        claimed_count += claimed
        empty_count = 0 if claimed else empty_count + 1
        if claimed_count and empty_count >= EMPTY_RUNS and successor is None:
            return True
    return claimed_count > 0


def _run(services: WorkerServices, flow: FlowWithWork, run: Run) -> int:
    """Returns how many records the run has claimed. If the run raises an error, ends its successor, too."""
    try:
        return run_flow(services, services.flows[flow.flow_name], run=run).records_claimed
    except BaseException as error:
        if run.successor is not None:
            end_broken_run(services, run.successor, error)
        raise


def _new_run(services: WorkerServices, flow: FlowWithWork, ends_at: float) -> Run | None:
    """Returns None if no further run may begin: the process is stopping, uses too much memory, or has used up its time
    slice."""
    if services.is_closing or time.monotonic() >= ends_at:
        return None
    declared = services.flows[flow.flow_name]
    return new_run(services, declared, first_slice=first_slice(services, declared, flow))


def _waiting(services: WorkerServices) -> list[FlowWithWork]:
    with services.database.transaction() as cursor:
        flows = with_work(cursor, services.celery_queues)
    ready = [flow for flow in flows if flow.flow_name in services.flows and flow.runs_wanted]
    return sorted(ready, key=lambda flow: flow.flow_name)


class _Circle:
    def __init__(self) -> None:
        self._began_at: str | None = None  # the first flow of the previous walk, if that walk was ascending

    def walk(self, flows: list[FlowWithWork]) -> list[FlowWithWork]:
        """Returns the flows in the order in which this process runs them. `flows` is sorted by name and not empty.
        Calls alternate between two orders. The first order is ascending, and begins with a random flow. The second
        order is descending, and ends with the flow at which the previous call began. Both orders are circular: after
        the last name, the ascending order goes on with the first; after the first name, the descending order goes on
        with the last."""
        goes_back = self._began_at is not None
        first_name = self._began_at or flows[random.randrange(len(flows))].flow_name  # noqa: S311
        self._began_at = None if goes_back else first_name
        first = bisect_left(flows, first_name, key=lambda flow: flow.flow_name)
        before, after = flows[:first], flows[first:]
        return before[::-1] + after[::-1] if goes_back else after + before

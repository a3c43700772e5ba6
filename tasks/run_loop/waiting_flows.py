"""Where a worker has many flows, a run is followed by runs of others that wait, without a message for each: hundreds of
flows with a few records each cost no more messages than one with many.

Each process walks over them in a circle, begun anywhere, until it comes to where another one began. Then it goes back
from its own beginning, and meets the one that comes from there. So a process looks seldom at what is left.
"""

import random
import time
from bisect import bisect_left

from queue_store.flows import FlowWithWork, with_work

from ..worker.services import WorkerServices
from .loop import run_flow

MANY_FLOWS = 20  # with fewer, each has its hint
EMPTY_RUNS = 2  # in a row: other processes were here, so look again


def run_waiting_flows(services: WorkerServices) -> None:
    """Until nothing waits, nothing more can be claimed, or a time slice is over. Raises QueueStoreError."""
    if len(services.flows) < MANY_FLOWS:
        return
    ends_at = time.monotonic() + services.settings.time_slice_seconds
    circle = _Circle()
    while waiting := _waiting(services):
        claimed_count = empty_count = 0
        for flow in circle.walk(waiting):
            if services.slots.is_stopping or services.is_full:
                return
            if time.monotonic() >= ends_at:
                services.hints.send(flow.flow_name, flow.celery_queue)
                return
            claimed = run_flow(services, services.flows[flow.flow_name]).records_claimed
            claimed_count += claimed
            empty_count = 0 if claimed else empty_count + 1
            if claimed_count and empty_count >= EMPTY_RUNS:
                break
        if not claimed_count:
            return


def _waiting(services: WorkerServices) -> list[FlowWithWork]:
    """Sorted by name."""
    with services.database.transaction() as cursor:
        flows = with_work(cursor, services.celery_queues)
    ready = [flow for flow in flows if flow.flow_name in services.flows and flow.runs_wanted]
    return sorted(ready, key=lambda flow: flow.flow_name)


class _Circle:
    def __init__(self) -> None:
        self._began_at: str | None = None  # the last walk, where it went forward

    def walk(self, flows: list[FlowWithWork]) -> list[FlowWithWork]:
        """`flows`: sorted by name, at least one. Every second walk goes back."""
        goes_back = self._began_at is not None
        first_name = self._began_at or flows[random.randrange(len(flows))].flow_name  # noqa: S311
        self._began_at = None if goes_back else first_name
        first = bisect_left(flows, first_name, key=lambda flow: flow.flow_name)
        before, after = flows[:first], flows[first:]
        return before[::-1] + after[::-1] if goes_back else after + before

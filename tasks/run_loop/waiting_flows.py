"""Where a worker has many flows, a run is followed by runs of others that wait, without a message for each: hundreds of
flows with a few records each cost no more messages than one with many."""

import random
import time

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
    while waiting := _waiting(services):
        claimed_count = empty_count = 0
        for flow in waiting:
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
    """In a circle, begun anywhere: processes that look at the same time come to the flows of another one late."""
    with services.database.transaction() as cursor:
        flows = with_work(cursor, services.celery_queues)
    ready = [flow for flow in flows if flow.flow_name in services.flows and flow.runs_wanted]
    ready.sort(key=lambda flow: flow.flow_name)
    first = random.randrange(len(ready)) if ready else 0  # noqa: S311
    return ready[first:] + ready[:first]

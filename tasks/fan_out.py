"""The task that beat sends every few seconds. It sends hints for flows that have work, rescues the records of dead
processes, enqueues records for due occurrences, and folds deltas."""

import logging
import random
import time
from collections import defaultdict
from collections.abc import Sequence

from queue_store.counts import rollups
from queue_store.database.vacuum import vacuum_forgotten_tables
from queue_store.errors import QueueStoreError
from queue_store.flows import FlowWithWork, with_work

from .app import waking_task
from .authoring.registry import all_flows
from .run_loop.waiting_flows import MANY_FLOWS
from .schedule.enqueue_due import enqueue_due
from .worker.services import WorkerServices, worker_services

logger = logging.getLogger(__name__)

THOROUGH_SECONDS = 60.0
HINTS_FOR_EACH_PROCESS = 2
_thorough_at = 0.0


@waking_task("processing_queue.fan_out", old_name="tasks.fan_out")
def fan_out() -> None:
    """Idempotent. For each flow with due records, usually sends one hint for each further run that would find work. A
    hint is not sent again until it is taken or five seconds have passed."""
    global _thorough_at  # noqa: PLW0603  (when this process next does a thorough fan-out)
    services = worker_services()
    is_thorough = time.monotonic() >= _thorough_at
    if is_thorough:
        _thorough_at = time.monotonic() + THOROUGH_SECONDS
    try:
        services.rescue.sweep()
        enqueue_due(services.database, all_flows(), services.settings)
        hint_waiting_flows(services)
        rollups.fold(services.database)
        if is_thorough:
            services.rescue.sweep_overdue()
            vacuum_forgotten_tables(services.database)
    except QueueStoreError as error:
        logger.warning("no fan-out: %s", error)
    except Exception:
        logger.exception("the fan-out failed; the next one is tried as usual")


def hint_waiting_flows(services: WorkerServices) -> int:
    """Send hints for flows with due work. Returns a number that counts the hints that were sent, and those that were
    not needed."""
    with services.database.transaction() as cursor:
        waiting = with_work(cursor)
    hints = hints_for(waiting)
    return sum(services.hints.send(flow.flow_name, flow.celery_queue, slot) for flow, slot in hints)


def hints_for(waiting: Sequence[FlowWithWork]) -> list[tuple[FlowWithWork, int]]:
    """Returns the hints to send, each as its flow and its number (slot). Usually a flow gets one hint for each further
    run that would find work. If many flows wait for the same processes, chooses two of these flows at random for each
    process. Each chosen flow gets one hint. The process that takes such a hint also begins runs of the other flows
    (run_loop/waiting_flows.py). A second hint for a flow would only bring two processes to that flow."""
    groups: defaultdict[tuple[str, int, int | None], list[FlowWithWork]] = defaultdict(list)
    for flow in waiting:
        if flow.runs_wanted:
            groups[flow.celery_queue, flow.worker_processes, flow.fewest_flows].append(flow)
    hints: list[tuple[FlowWithWork, int]] = []
    for (_, processes, fewest_flows), flows in groups.items():
        wanted = HINTS_FOR_EACH_PROCESS * max(1, processes)
        goes_on = fewest_flows is None or fewest_flows >= MANY_FLOWS
        if goes_on and len(flows) >= MANY_FLOWS and len(flows) > wanted:
            hints += [(flow, 0) for flow in random.sample(flows, wanted)]
        else:
            hints += [(flow, slot) for flow in flows for slot in range(flow.runs_wanted)]
    return hints

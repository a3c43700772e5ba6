"""The task that a hint starts."""

import logging
from textwrap import shorten
from typing import Any

from queue_store.errors import QueueStoreError

from .app import waking_task
from .authoring.flow import Flow
from .run_loop.loop import run_flow
from .run_loop.waiting_flows import run_waiting_flows
from .worker.end_signals import end_after_the_run
from .worker.services import WorkerServices, worker_services

logger = logging.getLogger(__name__)


@waking_task("processing_queue.claim_batch", old_name="tasks.claim_batch", bind=True)
def claim_batch(self: Any, flow_name: str, slot: int = 0) -> None:
    """Run the flow `flow_name` if it has work and this process is free. Sending the hint several times does no
    harm."""
    services = worker_services()
    flow = services.flows.get(flow_name) if isinstance(flow_name, str) else None
    if flow is None:
        logger.warning(
            "this worker has no flow %s: it serves %s",
            ascii(flow_name)[:80],
            shorten(", ".join(sorted(services.flows)) or "none", 150, placeholder=" …"),
        )
        return
    services.hints.started(flow_name, slot if type(slot) is int else 0)
    with end_after_the_run():
        _run(services, flow, self.request)


def _run(services: WorkerServices, flow: Flow, request: Any) -> None:
    if services.is_closing:
        return
    if not services.run_lock.acquire(blocking=False):
        return
    try:
        counts = run_flow(services, flow, request.id, getattr(request, "traceparent", None))
        if counts.records_claimed:
            run_waiting_flows(services)
    except QueueStoreError as error:
        logger.warning("no run of %s: %s", flow.name, error)
    except Exception:  # otherwise Celery would lose the error
        logger.exception("the run of %s failed", flow.name)
    finally:
        services.run_lock.release()
        services.wait_while_ending()  # otherwise this process would take the next message

"""Who could work: worker processes that are alive and have the flow."""

from queue_store.explain.facts import Look
from queue_store.explain.reasons import FLOW, Reason, reason


@reason("no_worker_alive", of=("pending", FLOW))
def no_worker_alive(look: Look) -> Reason | None:
    if look.workers.alive:
        return None
    text = "No worker process is alive. Start one: `celery -A processing_queue worker -Q flows`."
    return Reason("no_worker_alive", text)


@reason("no_worker_for_flow", of=("pending", FLOW))
def no_worker_for_flow(look: Look) -> Reason | None:
    if not look.workers.alive or look.workers.serving:
        return None
    if not look.flow.is_registered:
        text = f"No worker knows a flow of the name {look.flow_name}: deploy it, or cancel the record."
    else:
        text = (
            f"{look.workers.alive} worker process(es) are alive, but none serves {look.flow_name}: "
            f"start one with its module and with -Q {look.flow.celery_queue}."
        )
    return Reason("no_worker_for_flow", text, details={"alive": look.workers.alive})


@reason("workers_stopping", of=("pending", FLOW))
def workers_stopping(look: Look) -> Reason | None:
    if not look.workers.serving or look.workers.open:
        return None
    text = f"All {look.workers.serving} worker process(es) that serve {look.flow_name} are stopping."
    return Reason("workers_stopping", text)

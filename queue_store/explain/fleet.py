"""Reasons about the living worker processes that serve the flow."""

from queue_store.explain.facts import Facts
from queue_store.explain.reasons import FLOW, Reason, reason
from queue_store.plural import plural, word


@reason("no_worker_alive", of=("pending", FLOW))
def no_worker_alive(facts: Facts) -> Reason | None:
    if facts.workers.alive:
        return None
    queue = facts.flow.celery_queue or "flows"
    text = f"No worker process is alive. Start one: `celery -A processing_queue worker -Q {queue}`."
    return Reason("no_worker_alive", text)


@reason("no_worker_for_flow", of=("pending", FLOW))
def no_worker_for_flow(facts: Facts) -> Reason | None:
    if facts.workers.serving:
        return None
    name = facts.flow_name
    if not facts.flow.is_registered:
        text = (
            f"{name} is not a registered flow. If the name is mistyped, call `queuectl move {name} FLOW` or "
            f"`queuectl cancel --flow {name}`. If the flow is new, deploy it."
        )
    elif not facts.workers.alive:
        return None
    else:
        text = (
            f"{plural(facts.workers.alive, 'worker process', 'worker processes')} "
            f"{word(facts.workers.alive, 'is', 'are')} alive, but none serves {name}: "
            f"start a worker that imports the flow's module, with -Q {facts.flow.celery_queue}."
        )
    return Reason("no_worker_for_flow", text, details={"alive": facts.workers.alive})


@reason("workers_stopping", of=("pending", FLOW))
def workers_stopping(facts: Facts) -> Reason | None:
    if not facts.workers.serving or facts.workers.open:
        return None
    count = facts.workers.serving
    which = (
        "The only worker process that serves" if count == 1 else f"All {count} worker processes that serve"
    )
    text = f"{which} {facts.flow_name} {word(count, 'is', 'are')} stopping."
    return Reason("workers_stopping", text)

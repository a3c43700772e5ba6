"""Reasons about handlers that hang, and about the records and flows that wait for them."""

from typing import Any

from queue_store.explain.facts import Facts
from queue_store.explain.reasons import FLOW, Reason, reason
from queue_store.plural import plural, word
from queue_store.readings.hung_handlers import HungHandler

SHOWN = 5


@reason("handler_hung", of=("processing",))
def handler_hung(facts: Facts) -> Reason | None:
    """The handler of this record, or of another record of the same run, hangs."""
    record = facts.record
    hung = [h for h in facts.hung_handlers if h.handler.flow_instance_id == record.flow_instance_id]
    if not hung:
        return None
    whose = "Its handler runs"
    if all(h.handler.record_id != record.id for h in hung):
        whose = "It waits in the batch of a handler that runs"
    return Reason("handler_hung", f"{whose} far longer than usual: {_named(hung)}", details=_details(hung))


@reason("handler_hung", of=("pending", FLOW))
def workers_held_up(facts: Facts) -> Reason | None:
    """This reason is blocking if hung handlers of any flow hold all worker processes that serve this flow."""
    serving = set(facts.workers.serving_ids)
    hung = [h for h in facts.hung_handlers if h.handler.worker_process_id in serving]
    if serving and serving == {h.handler.worker_process_id for h in hung}:
        which = "The only worker process that serves"
        if len(serving) > 1:
            which = f"All {len(serving)} worker processes that serve"
        held = word(len(serving), "is held by a handler that runs", "are held by handlers that run")
        text = f"{which} {facts.flow_name} {held} far longer than usual: {_named(hung)}"
        return Reason("handler_hung", text, details=_details(hung))
    own = [h for h in hung if h.handler.flow_name == facts.flow_name]
    if not own or facts.is_of_record:
        return None
    text = (
        f"{plural(len(own), 'handler')} {word(len(own), 'runs', 'run')} far longer than usual: {_named(own)}"
    )
    return Reason("handler_hung", text, is_blocking=False, details=_details(own))


def _named(hung: list[HungHandler]) -> str:
    ids = " ".join(str(h.handler.record_id) for h in hung[:SHOWN])
    shown = "; ".join(h.text for h in hung[:SHOWN]) + ("; …" if len(hung) > SHOWN else ".")
    which = "it and charges an attempt" if len(hung) == 1 else "them and charges each an attempt"
    return f"{shown} `queuectl end {ids}` ends {which}."


def _details(hung: list[HungHandler]) -> dict[str, Any]:
    return {
        "handlers": [
            {
                "flow_name": h.handler.flow_name,
                "record_id": h.handler.record_id,
                "worker_process_id": str(h.handler.worker_process_id),
                "pid": h.handler.pid,
                "hostname": h.handler.hostname,
                "since": h.handler.since.isoformat(),
            }
            for h in hung
        ]
    }

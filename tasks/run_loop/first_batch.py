"""Decides how many records the first batch of a run may have. A run begins with a claim, and in an express flow slices
follow. A claimed record costs about twice as much as a record of a slice. So if more than one batch is due, the first
batch of an express flow has one record: enough to register the run."""

from queue_store.flows import FlowWithWork

from ..authoring.flow import Flow
from ..worker.services import WorkerServices
from .express import is_large_enough, may_be_express

BATCHES_DUE = 2  # With fewer due records, one claim costs less than a claim and a slice.


def most_in_first(services: WorkerServices, flow: Flow, waiting: FlowWithWork) -> int | None:
    """Returns None if the first batch may be a whole batch. This is so if no slice may follow, if the handler gets
    whole batches, or if the flow's author has set a batch size."""
    if flow.batch or flow.batch_size is not None or waiting.due_records < BATCHES_DUE * waiting.batch_size:
        return None
    quick, position = services.quick_batches[flow.name], services.position(flow.name)
    is_express = may_be_express(flow, services.settings) and is_large_enough(flow, waiting.batch_size)
    is_quick = quick.are_enough and not quick.is_suspicious
    must_be_claimed = position.uses_key_scan or position.next_is_aging
    return 1 if is_express and is_quick and not must_be_claimed else None

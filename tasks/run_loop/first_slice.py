"""Decides whether a run begins with an express slice instead of a claim. A claimed record costs about twice as much as
a record of a slice. So if at least two batches of an express flow are due, its run begins with a slice. Only a process
that goes through the waiting flows makes this choice."""

from queue_store.flows import FlowWithWork

from ..authoring.flow import Flow
from ..worker.quick_batches import ENOUGH_BATCHES
from ..worker.services import WorkerServices
from .express import is_large_enough, may_be_express

BATCHES_DUE = 2  # With fewer due records, one claim costs less than a slice.


def first_slice(services: WorkerServices, flow: Flow, waiting: FlowWithWork) -> int:
    """Returns how many records are due for the slice, or 0 if the run must begin with a claim for one of these reasons:

    - fewer than two batches are due (due records are counted up to `flows.COUNT_LIMIT`, so a batch size over half of
      this limit may also prevent a slice)
    - no slice is allowed, the handler gets whole batches, or a batch size was set
    - too few batches in a row were quick and clean, one of the last slices did not end normally, or a run of the flow
      has died lately
    - the last slice was interrupted, records are claimed key by key, or the claim must begin at the priority level
      that has waited longest
    """
    settings, size = services.settings, waiting.batch_size
    if flow.batch or flow.batch_size is not None or size != settings.batch_size:
        return 0
    quick, position = services.quick_batches[flow.name], services.position(flow.name)
    is_quick = quick.are_enough and quick.wanted <= ENOUGH_BATCHES and not quick.is_suspicious
    must_be_claimed = quick.was_interrupted or position.uses_key_scan or position.next_is_aging
    is_express = may_be_express(flow, settings) and is_large_enough(flow, size) and is_quick
    is_worth_it = waiting.due_records >= BATCHES_DUE * size and not must_be_claimed
    return waiting.due_records if is_express and is_worth_it else 0

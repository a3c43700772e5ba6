"""Decides how many records the first batch of a run may have. A run begins with a claim, and in an express flow slices
follow. A claimed record costs about twice as much as a record of a slice. So if at least two batches are due, the first
batch of an express flow has two records: enough to register the run. If a worker dies with a single record, that
record gets a crash strike. If it dies with two, they become suspects."""

from queue_store.flows import FlowWithWork

from ..authoring.flow import Flow
from ..worker.quick_batches import ENOUGH_BATCHES
from ..worker.services import WorkerServices
from .express import is_large_enough, may_be_express

FIRST_BATCH = 2
BATCHES_DUE = 2  # With fewer due records, one claim costs less than a claim and a slice.


def most_in_first(services: WorkerServices, flow: Flow, waiting: FlowWithWork) -> int | None:
    """Returns how many records the first batch may have, or None if it may be a whole batch. It may be a whole batch if
    fewer than two batches are due, if no slice may follow, if the handler gets whole batches, if a batch size was set,
    if express has ended lately, if a slice was interrupted, or if the first claim begins at the level that has waited
    longest. A batch size over half of `flows.COUNT_LIMIT` may also give a whole batch, because due records are counted
    up to this limit."""
    settings, size = services.settings, waiting.batch_size
    if flow.batch or flow.batch_size is not None or size != settings.batch_size:
        return None
    quick, position = services.quick_batches[flow.name], services.position(flow.name)
    is_quick = quick.are_enough and quick.wanted <= ENOUGH_BATCHES and not quick.is_suspicious
    must_be_claimed = quick.was_interrupted or position.uses_key_scan or position.next_is_aging
    is_express = may_be_express(flow, settings) and is_large_enough(flow, size) and is_quick
    is_worth_it = waiting.due_records >= BATCHES_DUE * size and not must_be_claimed
    return FIRST_BATCH if is_express and is_worth_it else None

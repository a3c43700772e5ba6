"""Sets up chaos runs with `--express`. In these runs, a flow that may be express needs no quick batches first: a slice
comes next as soon as a claim or a slice was full. Each worker process makes several runs for one hint, so a run can
also begin and end with a slice.

The product's own predicate, `may_be_express`, says which flows may be express. A chaos run lasts minutes. It kills a
process every few seconds, and about one record in 25 fails. The product waits before it tries express slices again: ten
minutes after a death, and six batches after a failure. With the product's waits, a chaos run would have hardly any
slices. So `be_eager` makes the waits very short. By default, only a worker with at least twenty flows makes several
runs for one hint. With `be_eager`, two flows are enough.
"""

import runpy

from queue_store.runs import express as slices
from queue_store.settings import ProcessorSettings
from tasks.authoring.registry import all_flows, empty_registry
from tasks.run_loop import express, first_slice, waiting_flows
from tasks.run_loop.express import may_be_express
from tasks.worker import quick_batches
from tasks.worker.quick_batches import QuickBatches

MODULE = "tests.chaos.flows_under_chaos"
SUSPICIOUS_SECONDS = 0.5
LOOK_AGAIN_SECONDS = 0.2


def be_eager() -> None:
    """A worker calls this before it forks."""
    slices.SUSPICIOUS_SECONDS = SUSPICIOUS_SECONDS
    express.LOOK_AGAIN_SECONDS = LOOK_AGAIN_SECONDS
    QuickBatches.are_enough = True  # type: ignore[assignment, method-assign]
    waiting_flows.MANY_FLOWS = 2
    first_slice.BATCHES_DUE = 1
    first_slice.ENOUGH_BATCHES = quick_batches.MOST_BATCHES


def flows_that_may_be_express(*, by_itself: bool) -> list[str]:
    """`by_itself`: the value of the setting EXPRESS_BY_ITSELF."""
    settings = ProcessorSettings(express_by_itself=by_itself)
    with empty_registry():
        runpy.run_module(MODULE)
        return sorted(flow.name for flow in all_flows() if may_be_express(flow, settings))

"""With `--express` every flow that may be express is express, as soon as a claim or a slice was full.

The product's own predicate says which flows these are. The run lasts minutes, it kills a process every other second,
and one record in twenty fails. With the product's patience hardly any slice would ever begin: after a death a flow
is claimed for ten minutes, and after a failure for six batches. So the workers of such a run have none.
"""

import runpy

from queue_store.runs import express as slices
from queue_store.settings import ProcessorSettings
from tasks.authoring.registry import all_flows, empty_registry
from tasks.run_loop import express
from tasks.run_loop.express import may_be_express
from tasks.worker.quick_batches import QuickBatches

MODULE = "tests.chaos.flows_under_chaos"
SUSPICIOUS_SECONDS = 0.5
LOOK_AGAIN_SECONDS = 0.2


def be_eager() -> None:
    """Runs in a worker before it forks."""
    slices.SUSPICIOUS_SECONDS = SUSPICIOUS_SECONDS
    express.LOOK_AGAIN_SECONDS = LOOK_AGAIN_SECONDS
    QuickBatches.are_enough = True  # type: ignore[assignment, method-assign]


def flows_that_may_be_express(*, by_itself: bool) -> list[str]:
    """Their names, of the flows of a chaos run. `by_itself`: with the setting EXPRESS_BY_ITSELF."""
    settings = ProcessorSettings(express_by_itself=by_itself)
    with empty_registry():
        runpy.run_module(MODULE)
        return sorted(flow.name for flow in all_flows() if may_be_express(flow, settings))

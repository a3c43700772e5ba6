"""Machine-readable reasons why a record is not running, or why a flow makes no progress.

Each reason comes from a function with the decorator `@reason`. The function reads facts and returns a `Reason` or None.
The function's module is named after the part of the queue that the reason concerns, such as `claiming`. A new feature
that can hold a record back needs a reason here.
"""

from queue_store.explain import claiming, ending, fleet, hanging, ownership
from queue_store.explain.explain import Explanation, explain_flow, explain_record
from queue_store.explain.facts import Facts, FlowFacts, RecordFacts, Workers
from queue_store.explain.reasons import Reason, lasting, reason, registered_codes

REASON_MODULES = (claiming, ending, fleet, hanging, ownership)  # their import registers the reasons

__all__ = [
    "REASON_MODULES",
    "Explanation",
    "Facts",
    "FlowFacts",
    "Reason",
    "RecordFacts",
    "Workers",
    "explain_flow",
    "explain_record",
    "lasting",
    "reason",
    "registered_codes",
]

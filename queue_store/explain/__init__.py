"""Why a record is not running, and why a flow is not moving: machine-readable reasons.

A reason is a function with `@reason`. It is in the module of the thing that decides it, reads facts, and returns a
`Reason` or None. A new thing that can hold a record back needs its reason here.
"""

from queue_store.explain import claiming, ending, fleet, hanging, ownership
from queue_store.explain.explain import Explanation, explain_flow, explain_record
from queue_store.explain.facts import Facts, FlowFacts, RecordFacts, Workers
from queue_store.explain.reasons import Reason, lasting, reason, registered_codes

REASON_MODULES = (claiming, ending, fleet, hanging, ownership)  # importing them registers their reasons

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

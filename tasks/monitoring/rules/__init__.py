"""The rules. Each rule looks at a snapshot and yields findings. A rule that judges how fast records are processed
yields nothing while no records are due."""

from . import (
    broker_rules,
    contact_rules,
    database_rules,
    flow_rules,
    handler_rules,
    integrity_rules,
    overall_rules,
    schedule_rules,
    stop_rules,
    worker_rules,
)
from .broker_rules import BROKER_CODES
from .register import RETIRED_CODES, RULE_FAILED, judge, registered_codes
from .stop_rules import keys_held_by_stops

__all__ = [
    "BROKER_CODES",
    "JUDGED_CODES",
    "RULE_FAILED",
    "broker_rules",
    "contact_rules",
    "database_rules",
    "flow_rules",
    "handler_rules",
    "integrity_rules",
    "judge",
    "keys_held_by_stops",
    "overall_rules",
    "schedule_rules",
    "stop_rules",
    "worker_rules",
]

# An alert with a code in JUDGED_CODES is resolved when a judgement no longer yields the alert's finding.
JUDGED_CODES = (*registered_codes(), *RETIRED_CODES)

"""The functions of the operations runbook. A person or the schedule calls them.

from . import distributed_queue_monitoring

distributed_queue_monitoring()["queue_health_assessment"]["queue_health"]

Each function is loaded when it is first used, because a worker that processes records needs none of these functions.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from queue_store.thresholds import ALERT_THRESHOLDS

    from .capacity import calculate_capacity_utilization
    from .diagnostics import distributed_processing_diagnostics
    from .maintenance import distributed_system_maintenance
    from .performance import processing_performance_monitoring
    from .queue_monitoring import distributed_queue_monitoring

__all__ = [
    "ALERT_THRESHOLDS",
    "calculate_capacity_utilization",
    "distributed_processing_diagnostics",
    "distributed_queue_monitoring",
    "distributed_system_maintenance",
    "processing_performance_monitoring",
]

_HOMES = {
    "ALERT_THRESHOLDS": "queue_store.thresholds",
    "calculate_capacity_utilization": ".capacity",
    "distributed_processing_diagnostics": ".diagnostics",
    "distributed_queue_monitoring": ".queue_monitoring",
    "distributed_system_maintenance": ".maintenance",
    "processing_performance_monitoring": ".performance",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)

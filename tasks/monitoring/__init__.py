"""The operations runbook's functions: plain callables that are Celery tasks as well.

from . import distributed_queue_monitoring

distributed_queue_monitoring()["queue_health_assessment"]["queue_health"]
"""

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

"""The operations runbook's functions: plain callables that are Celery tasks as well.

from tasks.monitoring import distributed_queue_monitoring

distributed_queue_monitoring()["queue_health_assessment"]["queue_health"]
"""

from queue_store.thresholds import ALERT_THRESHOLDS
from tasks.monitoring.capacity import calculate_capacity_utilization
from tasks.monitoring.diagnostics import distributed_processing_diagnostics
from tasks.monitoring.maintenance import distributed_system_maintenance
from tasks.monitoring.performance import processing_performance_monitoring
from tasks.monitoring.queue_monitoring import distributed_queue_monitoring

__all__ = [
    "ALERT_THRESHOLDS",
    "calculate_capacity_utilization",
    "distributed_processing_diagnostics",
    "distributed_queue_monitoring",
    "distributed_system_maintenance",
    "processing_performance_monitoring",
]

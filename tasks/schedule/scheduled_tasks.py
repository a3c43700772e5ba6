"""The Celery tasks that the schedule calls at certain times. A message that names one of these tasks has no
effect, because only the task `processing_queue.run_occurrence` may call them.

Each task imports its function only when the task is called, because a worker that processes records needs none of
these functions.
"""

from importlib import import_module
from typing import Any

from ..app import scheduled_task

FUNCTIONS = {
    "processing_queue.daily_report": "report.daily:daily_report",
    "tasks.health.connection_pool_monitoring": "health:connection_pool_monitoring",
    "tasks.health.database_health_check": "health:database_health_check",
    "tasks.health.database_review": "health:database_review",
    "tasks.monitoring.calculate_capacity_utilization": "monitoring.capacity:calculate_capacity_utilization",
    "tasks.monitoring.distributed_processing_diagnostics": "monitoring.diagnostics:distributed_processing_diagnostics",
    "tasks.monitoring.distributed_queue_monitoring": "monitoring.queue_monitoring:distributed_queue_monitoring",
    "tasks.monitoring.distributed_system_maintenance": "monitoring.maintenance:distributed_system_maintenance",
    "tasks.monitoring.monthly_retention": "monitoring.maintenance:monthly_retention",
    "tasks.monitoring.nightly_review": "monitoring.maintenance:nightly_review",
    "tasks.monitoring.processing_performance_monitoring": "monitoring.performance:processing_performance_monitoring",
    "tasks.monitoring.weekly_reset": "monitoring.maintenance:weekly_reset",
}
OLD_NAMES = {"processing_queue.daily_report": "tasks.report.daily_report"}


def register(name: str, place: str) -> None:
    module, _, function = place.partition(":")

    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(import_module(f"..{module}", __package__), function)(*arguments, **options)

    scheduled_task(name, old_name=OLD_NAMES.get(name))(call)


for name, place in FUNCTIONS.items():
    register(name, place)

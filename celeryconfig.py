"""Celery's configuration. Messages only wake workers, so Celery acknowledges them early, prefetches none, stores no
results and retries no task. The only exception is the task `processing_queue.enqueue`: its messages are acknowledged
late, and it is retried. Postgres decides everything about records."""

import os

from celery.schedules import crontab
from kombu.entity import Queue

from queue_store.errors import SettingsError
from queue_store.queue_schema import celery_queue_name
from queue_store.settings import ProcessorSettings, load_processor_settings

try:
    _settings = load_processor_settings()
except SettingsError:  # workers and beat name all wrong settings, and refuse to start
    _settings = ProcessorSettings()

broker_url = os.environ.get("CELERY_BROKER_URL") or None
broker_connection_retry_on_startup = True
broker_connection_max_retries = None  # Celery's default gives up after about 46 minutes
broker_channel_error_retry = True  # otherwise a reply such as READONLY would end the worker
broker_transport_options = {
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 10,
}

# A queue in its own schema has its own Celery queues, so its workers and its Flower get no messages of other queues.
_flows = celery_queue_name("flows", _settings.schema)
_control = celery_queue_name("control", _settings.schema)
control_exchange = celery_queue_name("celery", _settings.schema)
event_exchange = event_queue_prefix = celery_queue_name("celeryev", _settings.schema)

# The messages of `_control_tasks` go to the Celery queue `control`. This queue needs a worker of its own (-Q control),
# because long batches in the same pool would delay its tasks. A flow with `queue="slow"` needs a worker with -Q slow.
task_default_queue = _flows
task_queues = [Queue(_flows, routing_key=_flows), Queue(_control, routing_key=_control)]
task_create_missing_queues = True
# The routes use exact names, because an application that shares this configuration may have its own tasks called
# `tasks.…`.
_control_tasks = (
    "processing_queue.daily_report",
    "processing_queue.enqueue",
    "processing_queue.fan_out",
    "processing_queue.run_occurrence",
    "processing_queue.update_alerts",
    "tasks.health.connection_pool_monitoring",
    "tasks.health.database_health_check",
    "tasks.health.database_review",
    "tasks.monitoring.calculate_capacity_utilization",
    "tasks.monitoring.distributed_processing_diagnostics",
    "tasks.monitoring.distributed_queue_monitoring",
    "tasks.monitoring.distributed_system_maintenance",
    "tasks.monitoring.monthly_retention",
    "tasks.monitoring.nightly_review",
    "tasks.monitoring.processing_performance_monitoring",
    "tasks.monitoring.weekly_reset",
)
task_routes = {name: {"queue": _control} for name in _control_tasks}
task_routes["processing_queue.claim_batch"] = {"queue": _flows}

task_serializer = "json"
result_serializer = "json"
accept_content = ["json"]
task_ignore_result = True
task_acks_late = False
worker_disable_prefetch = True
worker_prefetch_multiplier = 1
worker_cancel_long_running_tasks_on_connection_loss = False  # a run goes on without the broker
worker_proc_alive_timeout = (
    60.0  # a spawned child imports everything first; Celery's default kills it after 4 s
)
worker_send_task_events = True
worker_consumer = "processing_queue.celery_hardening.resilient_consumer:ResilientConsumer"
task_send_sent_event = False
worker_hijack_root_logger = False
worker_redirect_stdouts = False

enable_utc = True
timezone = _settings.timezone
imports = [
    "processing_queue.claim_batch",
    "processing_queue.enqueue_task",
    "processing_queue.fan_out",
    "processing_queue.alerts.update_alerts",
    "processing_queue.schedule.run_occurrence",
    "processing_queue.schedule.scheduled_tasks",
]

# The maintenance schedule, in the time zone above. Postgres keeps the due times of each entry that has a crontab. The
# beat that holds the lease stores the due times, and the task runs once for each stored due time. If several due times
# were missed, beat stores only the latest. For an entry with a plain interval, beat stores no due times, and sends a
# message when the entry is due.
beat_scheduler = "processing_queue.schedule.scheduler:OccurrenceScheduler"
_on_control = {"queue": _control, "expires": 60}

beat_schedule = {
    "fan_out": {
        "task": "processing_queue.fan_out",
        "schedule": _settings.fan_out_seconds,
        "options": {"queue": _control, "expires": max(2 * _settings.fan_out_seconds, 5)},
    },
    # Every minute: alerts
    "alerts": {"task": "processing_queue.update_alerts", "schedule": 60.0, "options": _on_control},
    # Every 15 minutes: queue health
    "queue_health": {
        "task": "tasks.monitoring.distributed_queue_monitoring",
        "schedule": crontab(minute="*/15"),
        "kwargs": {"include_detailed_metrics": True},
        "options": _on_control,
    },
    # Every 4 hours: orphaned records
    "orphan_cleanup": {
        "task": "tasks.monitoring.distributed_system_maintenance",
        "schedule": crontab(minute="0", hour="*/4"),
        "kwargs": {"cleanup_orphaned_records": True, "dry_run": False, "actor": "schedule"},
        "options": _on_control,
    },
    # Every night at 1:30: correct the counts, learn the usual rates
    "nightly_review": {
        "task": "tasks.monitoring.nightly_review",
        "schedule": crontab(minute="30", hour="1"),
        "options": _on_control,
    },
    # Daily at 6:00: performance of the last 24 hours
    "performance_review": {
        "task": "tasks.monitoring.processing_performance_monitoring",
        "schedule": crontab(minute="0", hour="6"),
        "kwargs": {"time_window_hours": 24, "include_error_analysis": True},
        "options": _on_control,
    },
    # Daily at 6:15: send the report of the last 24 hours to REPORT_RECIPIENTS (by default, to nobody)
    "daily_report": {
        "task": "processing_queue.daily_report",
        "schedule": crontab(minute="15", hour="6"),
        "options": _on_control,
    },
    # Sunday at 2:00: log all issues, then reset failed records with attempts left and fewer than three failed attempts
    "failed_records_reset": {
        "task": "tasks.monitoring.weekly_reset",
        "schedule": crontab(minute="0", hour="2", day_of_week="sunday"),
        "options": _on_control,
    },
    # Monday at 8:00: a review of the database
    "database_review": {
        "task": "tasks.health.database_review",
        "schedule": crontab(minute="0", hour="8", day_of_week="monday"),
        "options": _on_control,
    },
    # First Sunday of the month at 3:00: retention, then capacity
    "retention": {
        "task": "tasks.monitoring.monthly_retention",
        "schedule": crontab(minute="0", hour="3", day_of_week="sunday", day_of_month="1-7"),
        "options": _on_control,
    },
}

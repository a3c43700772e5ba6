"""Turns readings into plain dictionaries. The monitoring functions return these dictionaries, which Celery can send
as results."""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from queue_store.readings.fleet import Fleet, WorkerProcessReading
from queue_store.readings.flow_counts import FlowCounts
from queue_store.readings.orphans import OrphanGroup
from queue_store.readings.server import ServerReading
from queue_store.readings.windows import Window


def describe_counts(flow: FlowCounts, hour: Window | None, day: Window | None) -> dict[str, Any]:
    return {
        "total_records": flow.total,
        "pending_records": flow.pending,
        "due_records": flow.due,
        "processing_records": flow.processing,
        "completed_records": flow.completed,
        "failed_records": flow.failed,
        "cancelled_records": flow.cancelled,
        "is_approximate": flow.is_approximate,
        "oldest_due_seconds": _rounded(flow.oldest_due_seconds),
        "is_stopped": flow.is_stopped,
        "success_rate_percent": day.success_rate_percent if day else None,
        "success_rate_percent_1h": hour.success_rate_percent if hour else None,
        "success_rate_percent_24h": day.success_rate_percent if day else None,
    }


def describe_window(window: Window) -> dict[str, Any]:
    minutes = window.average_processing_seconds
    return {
        "window_hours": round(window.seconds / 3600, 2),
        "records_completed": window.completed,
        "records_failed": window.failed,
        "records_retried": window.retried,
        "records_enqueued": window.enqueued,
        "records_rescued": window.rescued,
        "records_crashed": window.crashed,
        "success_rate_percent": window.success_rate_percent,
        "error_rate_percent": window.error_rate_percent,
        "avg_processing_rate_per_hour": window.outcomes_per_hour,
        "throughput_in_per_hour": window.enqueued_per_hour,
        "throughput_out_per_hour": window.outcomes_per_hour,
        "avg_processing_time_minutes": None if minutes is None else round(minutes / 60, 4),
        "avg_wait_seconds": _rounded(window.average_wait_seconds),
        "processing_seconds_p50": _rounded(window.processing_percentile(0.5)),
        "processing_seconds_p95": _rounded(window.processing_percentile(0.95)),
        "processing_seconds_p99": _rounded(window.processing_percentile(0.99)),
        "wait_seconds_p50": _rounded(window.wait_percentile(0.5)),
        "wait_seconds_p95": _rounded(window.wait_percentile(0.95)),
    }


def describe_fleet(fleet: Fleet) -> dict[str, Any]:
    """`containers` has an entry for each host. A host is healthy if all its processes are alive, degraded if some
    are, and silent if none is."""
    versions = sorted({process.versions.get("processing-queue", "unknown") for process in fleet.alive})
    return {
        "worker_processes_alive": len(fleet.alive),
        "worker_processes_silent_or_dead": len(fleet.processes) - len(fleet.alive),
        "runs_alive": {run.flow_name: run.run_count for run in fleet.runs},
        "served_flows": sorted(fleet.served_flows),
        "versions": versions,
        "is_mixed": len(versions) > 1,
        "pool_utilization_percent": fleet.pool_utilization_percent,
        "containers": _describe_containers(fleet.processes),
        "worker_processes": [_describe_process(process) for process in fleet.processes],
    }


def describe_orphans(orphans: list[OrphanGroup]) -> dict[str, Any]:
    return {
        "total_orphaned_records": sum(group.record_count for group in orphans),
        "late_orphaned_records": sum(group.late_count for group in orphans),
        "oldest_claimed_at": _iso(min((group.oldest_claimed_at for group in orphans), default=None)),
        "groups": [asdict(group) | {"oldest_claimed_at": _iso(group.oldest_claimed_at)} for group in orphans],
    }


def describe_server(server: ServerReading) -> dict[str, Any]:
    return asdict(server) | {"connections_percent": server.connections_percent}


def _describe_containers(processes: list[WorkerProcessReading]) -> dict[str, Any]:
    hosts = sorted({process.hostname for process in processes})
    described: dict[str, Any] = {}
    for host in hosts:
        own = [process for process in processes if process.hostname == host]
        alive = [process for process in own if process.is_alive]
        described[host] = {
            "status": "healthy" if alive and len(alive) == len(own) else "degraded" if alive else "silent",
            "alive": len(alive),
            "silent_or_dead": len(own) - len(alive),
            "cpu_percent": _rounded(sum(process.cpu_percent or 0 for process in alive)),
            "memory_bytes": sum(process.memory_bytes or 0 for process in alive),
            "memory_percent": _rounded(sum(process.memory_percent or 0 for process in alive)),
        }
    return described


def _describe_process(process: WorkerProcessReading) -> dict[str, Any]:
    plain = {name: _plain(value) for name, value in asdict(process).items()}
    return plain | {"memory_percent": process.memory_percent}


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return _iso(value) if isinstance(value, datetime) else value


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)

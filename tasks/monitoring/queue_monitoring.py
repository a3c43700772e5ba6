"""The state of the queue: counts, rates, and whether anything is wrong."""

from datetime import UTC, datetime
from typing import Any

from queue_store.alerting.findings import Finding, describe, worst_level
from queue_store.errors import DatabaseUnavailableError
from queue_store.readings.windows import add_up
from queue_store.settings import load_processor_settings

from .connection_checks import note_success, remember_failure
from .databases import database_named
from .describe import describe_counts, describe_fleet, describe_orphans, describe_window
from .rules import judge
from .snapshot import DAY_SECONDS, HOUR_SECONDS, Snapshot, take_snapshot


def distributed_queue_monitoring(include_detailed_metrics: bool = False) -> dict[str, Any]:
    """Returns counts overall and by flow, the health of the queue, and one alert for each finding.

    Raises DatabaseUnavailableError.
    """
    database = database_named()
    try:
        snapshot = take_snapshot(
            database, load_processor_settings(), with_percentiles_of_day=include_detailed_metrics
        )
    except DatabaseUnavailableError:
        remember_failure(database.name, 1)
        raise
    note_success(database, 1, snapshot.response_time_ms)
    findings = judge(snapshot)
    status: dict[str, Any] = {
        "timestamp": datetime.now(UTC).isoformat(),
        "overall_queue_status": _overall(snapshot),
        "flows": {
            flow.flow_name: describe_counts(
                flow, snapshot.hour.get(flow.flow_name), snapshot.day.get(flow.flow_name)
            )
            for flow in snapshot.flows
        },
        "queue_health_assessment": _assess(findings),
        "operational_alerts": [finding.alert for finding in findings],
    } | describe(findings)
    if include_detailed_metrics:
        status["detailed_metrics"] = _details(snapshot)
    return status


def _overall(snapshot: Snapshot) -> dict[str, Any]:
    hour = add_up(snapshot.hour.values(), HOUR_SECONDS)
    day = add_up(snapshot.day.values(), DAY_SECONDS)
    return describe_counts(snapshot.overall, hour, day) | {
        "orphaned_records": sum(group.record_count for group in snapshot.orphans),
        "response_time_ms": snapshot.response_time_ms,
        "connection_success_rate_percent": snapshot.connection_success.success_rate_percent,
        "worker_processes_alive": len(snapshot.fleet.alive),
    }


def _assess(findings: list[Finding]) -> dict[str, Any]:
    return {
        "queue_health": worst_level(findings),
        "issues": [finding.message for finding in findings],
        "recommendations": [finding.next_step for finding in findings],
    }


def _details(snapshot: Snapshot) -> dict[str, Any]:
    names = [flow.flow_name for flow in snapshot.flows]
    return {
        "last_hour": describe_window(add_up(snapshot.hour.values(), HOUR_SECONDS)),
        "last_24_hours": describe_window(add_up(snapshot.day.values(), DAY_SECONDS)),
        "flows": {
            name: {
                "last_hour": describe_window(snapshot.hour[name]) if name in snapshot.hour else None,
                "last_24_hours": describe_window(snapshot.day[name]) if name in snapshot.day else None,
            }
            for name in names
        },
        "orphans": describe_orphans(snapshot.orphans),
        "fleet": describe_fleet(snapshot.fleet),
        "depth_last_hour": [
            {"minute": depth.minute.isoformat(), "pending": depth.pending, "processing": depth.processing}
            for depth in snapshot.depths
        ],
    }

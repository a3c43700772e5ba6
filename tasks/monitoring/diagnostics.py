"""Finds everything that is wrong with the records, the fleet, the database and the integrity of the data. Does not
judge the schedule or the broker."""

from datetime import UTC, datetime
from typing import Any

from queue_store.alerting.findings import describe
from queue_store.readings.integrity import Violation
from queue_store.settings import load_processor_settings

from .databases import database_named
from .describe import describe_fleet, describe_orphans, describe_server, describe_window
from .rules import judge
from .snapshot import Snapshot, take_snapshot


def distributed_processing_diagnostics(
    include_orphaned_analysis: bool = True, include_performance_analysis: bool = True
) -> dict[str, Any]:
    """Returns every issue, the worst first, and the facts behind the issues. Raises DatabaseUnavailableError."""
    snapshot = take_snapshot(
        database_named(), load_processor_settings(), with_percentiles_of_day=include_performance_analysis
    )
    findings = judge(snapshot)
    diagnostics: dict[str, Any] = {
        "timestamp": datetime.now(UTC).isoformat(),
        "issues_found": [finding.message for finding in findings],
        "fleet": describe_fleet(snapshot.fleet),
        "database": describe_server(snapshot.server) | {"response_time_ms": snapshot.response_time_ms},
        "integrity": [_describe_violation(violation) for violation in snapshot.violations],
    } | describe(findings)
    if include_orphaned_analysis:
        diagnostics["orphaned_records_analysis"] = describe_orphans(snapshot.orphans)
    if include_performance_analysis:
        diagnostics["performance_analysis"] = _performance(snapshot)
    return diagnostics


def _performance(snapshot: Snapshot) -> dict[str, Any]:
    return {
        flow.flow_name: {
            "waiting_due_records": flow.due,
            "last_hour": describe_window(hour) if (hour := snapshot.hour.get(flow.flow_name)) else None,
            "last_24_hours": describe_window(day) if (day := snapshot.day.get(flow.flow_name)) else None,
            "usual_per_hour": usual.outcomes_per_hour
            if (usual := snapshot.baselines.get(flow.flow_name))
            else None,
        }
        for flow in snapshot.flows
    }


def _describe_violation(violation: Violation) -> dict[str, Any]:
    return {
        "check": violation.check.name,
        "problem": violation.problem,
        "record_id": violation.record_id,
        "repair": violation.check.repair,
    }

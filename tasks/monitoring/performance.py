"""Measures how fast and how well records are processed, in a window that ends now."""

from datetime import UTC, datetime
from typing import Any

from queue_store.alerting.findings import describe
from queue_store.readings.top_errors import ErrorGroup, read_top_errors
from queue_store.readings.trends import Baseline, read_baselines
from queue_store.readings.windows import Hour, add_up, read_hours, read_window
from queue_store.settings import load_processor_settings

from .databases import database_named, read_beside
from .describe import describe_window
from .rules import judge
from .snapshot import take_snapshot

MAXIMUM_HOURS = 24 * 366
PERFORMANCE_CODES = (
    "success_rate",
    "processing_rate",
    "failed_records",
    "recent_failures",
    "backlog",
    "rate_below_usual",
)


def processing_performance_monitoring(
    time_window_hours: float = 24, include_error_analysis: bool = True
) -> dict[str, Any]:
    """Returns rates, durations and success rates, overall and by flow. Also returns the top errors, and findings with
    their next steps.

    Raises ValueError if the window is too long or not positive. Raises DatabaseUnavailableError.
    """
    if isinstance(time_window_hours, bool) or not 0 < time_window_hours <= MAXIMUM_HOURS:
        raise ValueError(
            f"time_window_hours must be more than 0 and at most {MAXIMUM_HOURS}, not {time_window_hours}"
        )
    database, settings = database_named(), load_processor_settings()
    seconds = time_window_hours * 3600
    (windows, hours, baselines, errors), replica_problem = read_beside(
        database,
        lambda cursor: (
            read_window(cursor, seconds),
            read_hours(cursor, seconds),
            read_baselines(cursor),
            read_top_errors(cursor, seconds) if include_error_analysis else [],
        ),
    )
    performance: dict[str, Any] = {
        "timestamp": datetime.now(UTC).isoformat(),
        "time_window_hours": time_window_hours,
        "replica_problem": replica_problem,
        "overall_metrics": describe_window(add_up(windows.values(), seconds)),
        "flows": {name: describe_window(window) for name, window in windows.items()},
        "baselines": {name: _describe_baseline(baseline) for name, baseline in baselines.items()},
        "hours": [_describe_hour(hour) for hour in hours],
    } | describe(judge(take_snapshot(database, settings, with_integrity=False), PERFORMANCE_CODES))
    if include_error_analysis:
        performance["error_analysis"] = _describe_errors(errors)
    return performance


def _describe_errors(errors: list[ErrorGroup]) -> dict[str, Any]:
    return {
        "total_errors": sum(error.error_count for error in errors),
        "only_newest_attempts": any(error.is_capped for error in errors),
        "top_errors": [
            {
                "error_message": error.error_message,
                "error_group": error.error_group,
                "exception_type": error.exception_type,
                "error_count": error.error_count,
                "failed_count": error.failed_count,
                "affected_records": error.record_count,
                "affected_flows": error.flow_names,
                "first_at": error.first_at.isoformat(),
                "last_at": error.last_at.isoformat(),
            }
            for error in errors
        ],
    }


def _describe_baseline(baseline: Baseline) -> dict[str, Any]:
    return {
        "usual_per_hour": round(baseline.outcomes_per_hour, 2),
        "usual_success_rate_percent": baseline.success_rate_percent,
        "usual_processing_seconds": baseline.processing_seconds,
        "weeks": baseline.week_count,
    }


def _describe_hour(hour: Hour) -> dict[str, Any]:
    return {
        "hour": hour.hour.isoformat(),
        "enqueued": hour.enqueued,
        "completed": hour.completed,
        "failed": hour.failed,
        "retried": hour.retried,
    }

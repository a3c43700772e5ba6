"""Compares figures with the alert thresholds, to show each figure as normal, as a warning or as critical."""

from collections.abc import Mapping
from typing import Any

from queue_store.readings.flow_counts import FlowCounts
from queue_store.readings.windows import Window
from queue_store.thresholds import Thresholds

from ...monitoring.rules.database_rules import HELD_SNAPSHOT_SECONDS
from ...monitoring.rules.flow_rules import BACKLOG_SECONDS

Level = str | None


def levels_of_flow(thresholds: Thresholds, counts: FlowCounts, hour: Window, day: Window) -> dict[str, Level]:
    flow_name = counts.flow_name
    windows = (hour.success_rate_percent, day.success_rate_percent)
    success = next((rate for rate in windows if rate is not None), None)
    waits = (counts.oldest_due_seconds or 0) > BACKLOG_SECONDS
    return {
        "success_rate": judge(thresholds, "success_rate", success, flow_name),
        "failed": judge(thresholds, "failed_records", counts.failed, flow_name),
        "oldest_due": "warning" if waits else None,
    }


def judge(thresholds: Thresholds, name: str, figure: float | None, flow_name: str | None = None) -> Level:
    judged = None if figure is None else thresholds.judge(name, figure, flow_name)
    return judged[0] if judged else None


def held_snapshot(seconds: float) -> Level:
    levels: Mapping[str, float] = HELD_SNAPSHOT_SECONDS
    return next((level for level in ("critical", "warning") if seconds > levels[level]), None)


def worst(flows: list[dict[str, Any]]) -> dict[str, Level]:
    """Returns, for each figure, the worst level of any single flow. If all flows were judged together, a large flow
    would hide the problem of a small one."""
    order: list[Level] = [None, "warning", "critical"]
    names = ("success_rate", "failed", "oldest_due")
    return {name: max((f["levels"][name] for f in flows), key=order.index, default=None) for name in names}

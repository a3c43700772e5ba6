"""Rules about all flows together. These rules notice when many flows each have a small problem. A rule yields
nothing if the corresponding rule for single flows has a finding of an equal or worse level. If a flow has its own
threshold for a figure, the rule about this figure leaves the flow out."""

from collections.abc import Iterator

from queue_store.alerting.findings import LEVELS, Finding, worst_level
from queue_store.readings.windows import Window, add_up

from ..snapshot import DAY_SECONDS, HOUR_SECONDS, Snapshot
from . import flow_rules
from .register import Rule, rule

TOGETHER = "All flows together"
NEXT_STEP = "see which flows and which kinds of errors they are: queuectl failures"


@rule("success_rate")
def success_rate(snapshot: Snapshot) -> Iterator[Finding]:
    """Judges the success rate of the last hour, or of the last day if the last hour had too few outcomes."""
    windows = (
        _window(snapshot, snapshot.hour, HOUR_SECONDS, "success_rate"),
        _window(snapshot, snapshot.day, DAY_SECONDS, "success_rate"),
    )
    window = next((w for w in windows if w.success_rate_percent is not None), None)
    if window is not None and window.success_rate_percent is not None:
        figure = window.success_rate_percent
        yield from _judge(
            snapshot,
            "success_rate",
            "success_rate",
            figure,
            flow_rules.success_rate,
            f"{figure:g} % of {window.outcomes} records succeeded in the last {flow_rules.hours(window)}, below",
            " %",
        )


@rule("failed_records")
def failed_records(snapshot: Snapshot) -> Iterator[Finding]:
    names = _without_own_threshold(snapshot, "failed_records")
    count = sum(flow.failed for flow in snapshot.flows if flow.flow_name in names)
    yield from _judge(
        snapshot,
        "failed_records",
        "failed_records",
        count,
        flow_rules.failed_records,
        f"{count} failed records, more than",
    )


@rule("recent_failures")
def recent_failures(snapshot: Snapshot) -> Iterator[Finding]:
    """Yields nothing if `failed_records` has a finding, for a single flow or for all flows together."""
    if any(failed_records(snapshot)) or any(flow_rules.failed_records(snapshot)):
        return
    count = _window(snapshot, snapshot.hour, HOUR_SECONDS, "failed_records").failed
    yield from _judge(
        snapshot,
        "recent_failures",
        "failed_records",
        count,
        flow_rules.recent_failures,
        f"{count} records failed in the last hour, more than",
    )


@rule("orphaned_records")
def orphaned_records(snapshot: Snapshot) -> Iterator[Finding]:
    names = _without_own_threshold(snapshot, "orphaned_records")
    count = sum(group.late_count for group in snapshot.orphans if group.flow_name in names)
    yield from _judge(
        snapshot,
        "orphaned_records",
        "orphaned_records",
        count,
        flow_rules.orphaned_records,
        f"{count} orphaned records, more than",
        next_step="queuectl maintenance --cleanup-orphaned-records --no-dry-run; then see why rescue did not give "
        "them back: is the worker of the control queue alive?",
    )


def _judge(
    snapshot: Snapshot,
    code: str,
    figure_name: str,
    figure: float,
    rule_of_flows: Rule,
    sentence: str,
    unit: str = "",
    next_step: str = NEXT_STEP,
) -> Iterator[Finding]:
    judged = snapshot.settings.alert_thresholds.judge(figure_name, figure)
    if judged is None:
        return
    level, threshold = judged
    if LEVELS.index(level) > LEVELS.index(worst_level(rule_of_flows(snapshot))):
        message = f"{TOGETHER}: {sentence} {threshold:g}{unit}."
        yield Finding(
            code=code, level=level, message=message, next_step=next_step, figure=figure, threshold=threshold
        )


def _window(snapshot: Snapshot, windows: dict[str, Window], seconds: float, figure_name: str) -> Window:
    names = _without_own_threshold(snapshot, figure_name)
    return add_up((window for name, window in windows.items() if name in names), seconds)


def _without_own_threshold(snapshot: Snapshot, figure_name: str) -> set[str]:
    own = snapshot.settings.alert_thresholds.flows
    return {
        flow.flow_name
        for flow in snapshot.flows
        if not any(name.startswith(figure_name) for name in own.get(flow.flow_name, {}))
    }

"""The thresholds at which a figure is worth a warning, or is critical. The defaults come from the operations runbook on
which this system is based. That runbook gave two pairs of thresholds for failed records. We use the pair that it names
as alert levels: 50 for a warning, and 100 for critical.

A handler counts as hung if it has been quiet for `hung_handler_factor` times its flow's usual time, and for at least
`hung_handler_seconds`. In a flow without history, a handler counts as hung if it has been quiet for longer than the
largest of `hung_handler_seconds`, `hung_handler_seconds_without_history` and the flow's time limit."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from queue_store.suggestions import closest, did_you_mean

ALERT_THRESHOLDS: dict[str, float] = {
    "success_rate_warning": 90,
    "success_rate_critical": 80,
    "processing_rate_warning": 50,
    "processing_rate_critical": 10,
    "failed_records_warning": 50,
    "failed_records_critical": 100,
    "response_time_warning": 1000,
    "response_time_critical": 5000,
    "orphaned_records_warning": 10,
    "orphaned_records_critical": 50,
    "pool_utilization_warning": 80,
    "pool_utilization_critical": 95,
    "hung_handler_factor": 10,
    "hung_handler_seconds": 60,
    "hung_handler_seconds_without_history": 300,
}

LOWER_IS_WORSE = ("success_rate", "processing_rate")
PER_FLOW = ("success_rate", "processing_rate", "failed_records", "orphaned_records", "hung_handler")
MAXIMUM = 1e12


@dataclass(frozen=True, slots=True)
class Thresholds:
    """`flows`: thresholds that apply only to single flows. `overall` applies to everything else."""

    overall: Mapping[str, float] = field(default_factory=lambda: dict(ALERT_THRESHOLDS))
    flows: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])

    def of(self, flow_name: str | None) -> Mapping[str, float]:
        return {**self.overall, **self.flows.get(flow_name or "", {})}

    def judge(
        self, figure_name: str, figure: float, flow_name: str | None = None
    ) -> tuple[str, float] | None:
        """The level that the figure reaches, with the threshold of that level. None if all is well."""
        thresholds = self.of(flow_name)
        for level in ("critical", "warning"):
            threshold = thresholds[f"{figure_name}_{level}"]
            if figure < threshold if figure_name in LOWER_IS_WORSE else figure > threshold:
                return level, threshold
        return None


def parse_thresholds(text: str) -> Thresholds:
    """Reads JSON, such as `{"failed_records_warning": 20, "flows": {"billing": {"success_rate_critical": 95}}}`.

    Raises ValueError. For a JSON object, the error lists all wrong names and values. If all names and values are right,
    the error lists each warning threshold that is beyond its critical threshold.
    """
    try:
        given = json.loads(text)
    except ValueError:
        raise ValueError('must be JSON such as {"failed_records_warning": 20}') from None
    if not isinstance(given, dict):
        raise ValueError('must be a JSON object such as {"failed_records_warning": 20}')
    overall = cast(dict[str, Any], given)
    flows = overall.pop("flows", {})
    problems = _problems(overall, "")
    if not isinstance(flows, dict) or not all(
        isinstance(f, dict) for f in cast(dict[str, Any], flows).values()
    ):
        problems.append("flows must be an object of flow names with their own thresholds")
        flows = {}
    flows = cast(dict[str, dict[str, Any]], flows)
    for flow_name, own in flows.items():
        problems += _problems(own, f"flows.{flow_name[:64]}.")
        problems += [
            f"flows.{flow_name[:64]}.{n} cannot be set for one flow"
            for n in own
            if not n.startswith(PER_FLOW)
        ]
    problems = problems or _all_wrong_orders(overall, flows)
    if problems:
        raise ValueError("; ".join(problems))
    return Thresholds({**ALERT_THRESHOLDS, **overall}, flows)


def _problems(given: dict[str, Any], place: str) -> list[str]:
    problems: list[str] = []
    for name, value in given.items():
        if name not in ALERT_THRESHOLDS:
            meant = did_you_mean(closest(name, ALERT_THRESHOLDS))
            problems.append(f"{place}{name[:64]} is not a threshold{meant}")
        elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAXIMUM:
            problems.append(f"{place}{name} must be a number, 0 or more")
    return problems


def _all_wrong_orders(overall: dict[str, Any], flows: dict[str, dict[str, Any]]) -> list[str]:
    base = {**ALERT_THRESHOLDS, **overall}
    problems = _wrong_orders(base, "")
    for flow_name, own in flows.items():
        problems += _wrong_orders({**base, **own}, f"flows.{flow_name[:64]}.")
    return problems


def _wrong_orders(thresholds: Mapping[str, float], place: str) -> list[str]:
    names = [name.removesuffix("_warning") for name in ALERT_THRESHOLDS if name.endswith("_warning")]
    problems: list[str] = []
    for name in names:
        warning, critical = thresholds[f"{name}_warning"], thresholds[f"{name}_critical"]
        if name in LOWER_IS_WORSE and warning < critical:
            problems.append(
                f"{place}{name}_warning ({warning:g}) must not be below {name}_critical ({critical:g})"
            )
        elif name not in LOWER_IS_WORSE and warning > critical:
            problems.append(
                f"{place}{name}_warning ({warning:g}) must not be above {name}_critical ({critical:g})"
            )
    return problems

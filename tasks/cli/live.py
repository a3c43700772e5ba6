"""Code that the live commands share: the options that set how often they read the queue, and the rows of their
tables."""

from dataclasses import asdict, dataclass
from typing import Any

import click

from queue_store.database.bounded_read import bounded_read, read_replica_lag
from queue_store.database.manager import DatabaseManager
from queue_store.explain import lasting
from queue_store.readings import windows
from queue_store.readings.fleet import Fleet, read_fleet
from queue_store.readings.flow_counts import FlowCounts, add_up, read_flow_counts
from queue_store.readings.windows import Window, read_window
from queue_store.settings import ProcessorSettings

from .frame import BoundedNumber

MINUTE_SECONDS = 60.0
HOUR_SECONDS = 3_600.0
HEADINGS = (
    "flow", "pending", "processing", "failed", "oldest due", "in/min", "out/min", "success 1 h", "median",
    "95 %", "runs",
)  # fmt: skip

interval_option = click.option(
    "--interval",
    type=BoundedNumber(0.2, 3_600),
    default=2.0,
    show_default=True,
    help="Seconds between updates.",
)
times_option = click.option(
    "--times", type=click.IntRange(1), help="Update this many times, then end (default: until Ctrl-C)."
)

lines_option = click.option("--json", "as_json", is_flag=True, help="Write JSON documents, one per line.")


@dataclass(frozen=True, slots=True)
class QueueLook:
    flows: list[FlowCounts]
    minute: dict[str, Window]
    hour: dict[str, Window]
    fleet: Fleet
    replica_lag_seconds: float | None

    def rows(self, limit: int | None = None) -> list[list[str]]:
        """A row for each flow. If there are several flows, the last row is the sum of all flows. If there are more
        flows than `limit`, only the flows with the most pending, processing and failed records have a row."""
        flows = self.flows
        if limit is not None and len(flows) > limit:
            flows = sorted(flows, key=lambda flow: -(flow.pending + flow.processing + flow.failed))[:limit]
        rows = [
            self._row(flow, self.minute.get(flow.flow_name), self.hour.get(flow.flow_name)) for flow in flows
        ]
        if len(self.flows) > 1:
            everything = windows.add_up(self.minute.values(), MINUTE_SECONDS)
            rows.append(
                self._row(add_up(self.flows), everything, windows.add_up(self.hour.values(), HOUR_SECONDS))
            )
        return rows

    def document(self) -> dict[str, Any]:
        return {
            "flows": [
                asdict(flow) | _figures(self.minute.get(flow.flow_name), self.hour.get(flow.flow_name))
                for flow in self.flows
            ],
            "worker_processes_alive": len(self.fleet.alive),
            "pool_utilization_percent": self.fleet.pool_utilization_percent,
            "replica_lag_seconds": self.replica_lag_seconds,
        }

    def _row(self, flow: FlowCounts, minute: Window | None, hour: Window | None) -> list[str]:
        alive = [run for run in self.fleet.runs if flow.flow_name in (run.flow_name, "all flows")]
        return [
            flow.flow_name + (" (stopped)" if flow.is_stopped else ""),
            ("~" if flow.is_approximate else "") + f"{flow.pending:,}",
            f"{flow.processing:,}",
            f"{flow.failed:,}",
            "-" if flow.oldest_due_seconds is None else lasting(flow.oldest_due_seconds),
            f"{minute.enqueued_per_minute if minute else 0:,}",
            f"{minute.outcomes_per_minute if minute else 0:,}",
            _percent(hour.success_rate_percent if hour else None),
            _seconds(hour.processing_percentile(0.5) if hour else None),
            _seconds(hour.processing_percentile(0.95) if hour else None),
            str(sum(run.run_count for run in alive)),
        ]


def look_at_queue(
    database: DatabaseManager, settings: ProcessorSettings, flow_name: str | None = None
) -> QueueLook:
    with bounded_read(database, replica=True) as cursor:
        flows = read_flow_counts(cursor, flow_name)
        names = None if flow_name is None else [flow_name]
        minute, hour = (read_window(cursor, seconds, names) for seconds in (MINUTE_SECONDS, HOUR_SECONDS))
    with bounded_read(database) as cursor:
        fleet = read_fleet(cursor, settings)
        if flow_name is not None and not flows:  # a replica that lags does not have a new flow yet
            flows = read_flow_counts(cursor, flow_name)
    return QueueLook(flows, minute, hour, fleet, read_replica_lag(database))


def _figures(minute: Window | None, hour: Window | None) -> dict[str, float | None]:
    return {
        "enqueued_last_minute": minute.enqueued_per_minute if minute else 0,
        "outcomes_last_minute": minute.outcomes_per_minute if minute else 0,
        "success_rate_percent": hour.success_rate_percent if hour else None,
        "processing_seconds_median": hour.processing_percentile(0.5) if hour else None,
        "processing_seconds_95_percent": hour.processing_percentile(0.95) if hour else None,
    }


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} %"


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"

"""The contents of the report."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from queue_store.alerting.alerts import Alert, count_alerts, read_alerts
from queue_store.database.bounded_read import bounded_read
from queue_store.database.manager import DatabaseManager
from queue_store.plural import plural, word
from queue_store.readings import windows
from queue_store.readings.charts import SPANS, Charts, read_charts
from queue_store.readings.flow_counts import FlowCounts, read_flow_counts
from queue_store.readings.top_errors import ErrorGroup, read_top_errors
from queue_store.readings.windows import Window, read_window

from .plot import Points

DAY_SECONDS = 86_400.0
ERRORS_SHOWN = 10
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Report:
    at: datetime
    flows: list[FlowCounts]
    day: dict[str, Window]
    errors: list[ErrorGroup]
    alerts: list[Alert]
    alert_count: int
    charts: Charts

    @property
    def everything(self) -> Window:
        return windows.add_up(self.day.values(), DAY_SECONDS)

    @property
    def table(self) -> list[list[str]]:
        rows: list[list[str]] = []
        for flow in self.flows:
            window = self.day.get(flow.flow_name, Window(DAY_SECONDS, flow.flow_name))
            rate, slow = window.success_rate_percent, window.processing_percentile(0.95)
            rows.append([
                flow.flow_name, f"{window.enqueued:,}", f"{window.completed:,}", f"{window.failed:,}",
                f"{window.retried:,}",
                "-" if rate is None else f"{rate:.1f} %", "-" if slow is None else f"{slow:.3g} s", f"{flow.pending:,}",
            ])  # fmt: skip
        return rows

    @property
    def alerts_left_out(self) -> str | None:
        count = self.alert_count - len(self.alerts)
        return f"and {plural(count, 'more alert')}" if count else None

    @property
    def start(self) -> datetime:
        return self.at - timedelta(seconds=self.charts.span.seconds)

    @property
    def plots(self) -> dict[str, dict[str, Points]]:
        """The series of each plot, by the plot's title. Each series has a name and points."""
        charts = self.charts
        per_minute = 60 / charts.span.bucket_seconds
        counted: dict[str, Points] = {
            name: [(c.at, getattr(c, name) * per_minute) for c in charts.counts]
            for name in ("enqueued", "completed", "failed")
        }
        slow = [(d.at, d.processing_p95) for d in charts.durations if d.processing_p95 is not None]
        return {
            "Records a minute": counted,
            "Pending records": {"pending": [(d.at, float(d.pending)) for d in charts.depths]},
            "Processing time in seconds": {"95 % took at most": slow},
        }

    @property
    def sentence(self) -> str:
        day = self.everything
        rate = day.success_rate_percent
        judged = (
            "too few to judge the success rate" if rate is None else f"{rate:.1f} percent of them succeeded"
        )
        return (
            f"In the last 24 hours, {day.enqueued:,} records were enqueued. {day.outcomes:,} records ended; "
            f"{judged}. {plural(self.alert_count, 'alert')} {word(self.alert_count, 'was', 'were')} open."
        )


HEADINGS = (
    "flow",
    "enqueued",
    "completed",
    "failed",
    "retried",
    "success",
    "95 % took at most",
    "pending now",
)


def read_report(database: DatabaseManager) -> Report:
    """Raises DatabaseUnavailableError."""
    with bounded_read(database, replica=True, timeout_seconds=TIMEOUT_SECONDS) as cursor:
        charts = read_charts(cursor, SPANS["24h"])
        alerts = read_alerts(cursor, DAY_SECONDS)
        return Report(
            charts.now,
            read_flow_counts(cursor),
            read_window(cursor, DAY_SECONDS),
            read_top_errors(cursor, DAY_SECONDS, ERRORS_SHOWN),
            alerts,
            count_alerts(cursor, alerts, DAY_SECONDS),
            charts,
        )

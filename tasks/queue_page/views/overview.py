"""The overview of the queue, as a whole and by flow."""

from dataclasses import fields
from typing import Any

from queue_store.alerting.alerts import count_alerts, read_alerts
from queue_store.explain import explain_flow
from queue_store.operators.unknown_flows import meant_flow
from queue_store.readings import windows
from queue_store.readings.charts import SPANS, Charts, read_charts
from queue_store.readings.fleet import Fleet, read_fleet
from queue_store.readings.flow_counts import FlowCounts, add_up, read_flow_counts
from queue_store.readings.windows import Window, read_window

from .levels import judge, levels_of_flow, worst
from .request import ViewRequest

HOUR_SECONDS = 3_600.0
DAY_SECONDS = 86_400.0
COUNTED = tuple(field.name for field in fields(FlowCounts))


def overview(request: ViewRequest) -> dict[str, Any]:
    counts = read_flow_counts(request.cursor)
    fleet = read_fleet(request.cursor, request.settings)
    hour = read_window(request.cursor, HOUR_SECONDS)
    day = read_window(request.cursor, DAY_SECONDS, with_histograms=False)
    live = [alert for alert in read_alerts(request.cursor) if alert.resolved_at is None]
    total = add_up(counts)
    everything = (windows.add_up(hour.values(), HOUR_SECONDS), windows.add_up(day.values(), DAY_SECONDS))
    runs = _runs(fleet)
    flows = [_flow_row(request, flow, hour, day, runs) for flow in counts]
    thresholds = request.settings.alert_thresholds
    return {
        "total": _flow(total, *everything, sum(runs.values())) | {"levels": worst(flows)},
        "flows": flows,
        "fleet": {
            "alive": len(fleet.alive),
            "pool_utilization_percent": fleet.pool_utilization_percent,
            "pool_level": judge(thresholds, "pool_utilization", fleet.pool_utilization_percent),
        },
        "alerts": live,
        "alert_count": count_alerts(request.cursor, live),
        "capacity": _capacity(request, total),
    }


def charts(request: ViewRequest) -> Charts:
    span = request.arguments.choice("span", tuple(SPANS)) or "1h"
    return read_charts(request.cursor, SPANS[span], request.arguments.text("flow"))


def flow(request: ViewRequest) -> dict[str, Any]:
    """Returns one flow's row of the overview, and an explanation of why the flow is processed or not. Raises
    UnknownFlowError."""
    name = request.arguments.needed_text("flow")
    explanation = explain_flow(request.cursor, request.settings, name)
    found = next(iter(read_flow_counts(request.cursor, name)), None)
    fleet = read_fleet(request.cursor, request.settings)
    hour, day = (read_window(request.cursor, seconds, [name]) for seconds in (HOUR_SECONDS, DAY_SECONDS))
    return {
        "flow": _flow_row(request, found, hour, day, _runs(fleet)) if found else None,
        "explanation": explanation.as_json(),
        "meant": meant_flow(request.cursor, name) if found and not found.is_registered else None,
    }


def _runs(fleet: Fleet) -> dict[str, int]:
    return {run.flow_name: run.run_count for run in fleet.runs}


def _flow_row(
    request: ViewRequest,
    counts: FlowCounts,
    hour: dict[str, Window],
    day: dict[str, Window],
    runs: dict[str, int],
) -> dict[str, Any]:
    name = counts.flow_name
    nothing = Window(HOUR_SECONDS, name), Window(DAY_SECONDS, name)
    last = hour.get(name, nothing[0]), day.get(name, nothing[1])
    levels = levels_of_flow(request.settings.alert_thresholds, counts, *last)
    return _flow(counts, *last, runs.get(name, 0)) | {"levels": levels}


def _flow(counts: FlowCounts, hour: Window, day: Window, runs: int) -> dict[str, Any]:
    return {name: getattr(counts, name) for name in COUNTED} | {
        "runs": runs,
        "enqueued_1h": hour.enqueued,
        "finished_1h": hour.outcomes,
        "success_rate_1h": hour.success_rate_percent,
        "success_rate_24h": day.success_rate_percent,
        "processing_p50": hour.processing_percentile(0.5),
        "processing_p95": hour.processing_percentile(0.95),
        "processing_p99": hour.processing_percentile(0.99),
        "wait_p50": hour.wait_percentile(0.5),
        "wait_p95": hour.wait_percentile(0.95),
    }


def _capacity(request: ViewRequest, total: FlowCounts) -> dict[str, Any]:
    settings = request.settings
    capacity = settings.containers * settings.batch_size * settings.capacity_rate_per_hour
    load = total.pending + total.processing
    return {
        "containers": settings.containers,
        "records_per_hour": capacity,
        "load": load,
        "utilization_percent": round(100 * load / capacity, 1),
    }

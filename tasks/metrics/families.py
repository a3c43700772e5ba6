"""The metrics by name. Labels are flows (a bounded number of them), statuses and levels. No label contains data of a
record."""

from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from queue_store.counts.histogram import BOUNDS_SECONDS
from queue_store.readings.counters import COUNTED, Counters
from queue_store.readings.flow_counts import FlowCounts
from queue_store.records.record import STATUSES

from .labels import OTHERS, FlowLabels
from .reading import Reading

LEVELS = ("warning", "critical", "emergency")
HELP = {
    "enqueued": "Records that were enqueued.",
    "claimed": "Claims of records.",
    "completed": "Records that completed.",
    "failed": "Records that failed for good.",
    "retried": "Attempts that failed and are retried.",
    "snoozed": "Records whose handler asked to be called again later.",
    "released": "Records that a run gave back without starting them.",
    "rescued": "Records taken back from dead runs.",
    "crashed": "Crash strikes: a record's process died while it worked on the record, or a claim of an isolated record "
    "ended without an outcome.",
    "cancelled": "Records that were cancelled.",
    "reset": "Failed records that were made pending again.",
    "refused": "Writes refused by the fence: the record belonged to another claim.",
    "purged": "Finished records that were deleted.",
}


def families(reading: Reading, labels: FlowLabels) -> Iterator[Metric]:
    if reading.records is not None:
        counters = labels.update(reading.records.flows, reading.records.counters)
        yield from _records(labels.split(reading.records.flows))
        yield from _counters(counters)
    yield from _runs(reading, labels)
    yield from _fleet(reading)
    yield from _server(reading)
    yield from _replica(reading)


def _records(flows: Sequence[FlowCounts]) -> Iterator[Metric]:
    records = GaugeMetricFamily("processing_queue_records", "Records by status.", labels=["flow", "status"])
    due = GaugeMetricFamily("processing_queue_due_records", "Pending records that are due.", labels=["flow"])
    age = GaugeMetricFamily(
        "processing_queue_oldest_due_age_seconds",
        "How long the oldest due record has waited.",
        labels=["flow"],
    )
    stopped = GaugeMetricFamily(
        "processing_queue_flow_stopped", "1 if an operator stopped claims.", labels=["flow"]
    )
    for flow in flows:
        for status in STATUSES:
            records.add_metric([flow.flow_name, status], getattr(flow, status))
        due.add_metric([flow.flow_name], flow.due)
        age.add_metric([flow.flow_name], flow.oldest_due_seconds or 0)
        stopped.add_metric([flow.flow_name], int(flow.is_stopped))
    yield from (records, due, age, stopped)


def _counters(counters: dict[str, Counters]) -> Iterator[Metric]:
    for place, what in enumerate(COUNTED):
        noun = "writes" if what == "refused" else "records"
        family = CounterMetricFamily(f"processing_queue_{what}_{noun}", HELP[what], labels=["flow"])
        for name, counter in counters.items():
            family.add_metric([name], counter.counts[place])
        yield family
    processing = HistogramMetricFamily(
        "processing_queue_processing_duration_seconds", "How long handlers took.", labels=["flow"]
    )
    wait = HistogramMetricFamily(
        "processing_queue_wait_duration_seconds",
        "How long due records waited for their claim.",
        labels=["flow"],
    )
    for name, counter in counters.items():
        processing.add_metric([name], _buckets(counter.processing_histogram), counter.processing_seconds)
        wait.add_metric([name], _buckets(counter.wait_histogram), counter.wait_seconds)
    yield from (processing, wait)


def _runs(reading: Reading, labels: FlowLabels) -> Iterator[Metric]:
    runs = GaugeMetricFamily("processing_queue_runs", "Runs that are alive.", labels=["flow"])
    alive = {run.flow_name: run.run_count for run in reading.fleet.runs}
    for name in labels.named:
        runs.add_metric([name], alive.pop(name, 0))
    if alive:
        runs.add_metric([OTHERS], sum(alive.values()))
    yield runs


def _fleet(reading: Reading) -> Iterator[Metric]:
    fleet, signs = reading.fleet, reading.signs
    yield _gauge("worker_processes", "Worker processes that are alive.", len(fleet.alive))
    if signs.worker_seconds is not None:
        age = max(0, signs.worker_seconds)
        yield _gauge(
            "heartbeat_age_seconds",
            "Seconds since the last heartbeat of any worker process, dead ones included.",
            age,
        )
    if signs.beat_seconds is not None:
        yield _gauge(
            "beat_last_tick_age_seconds",
            "Seconds since the last sign of life of any beat.",
            max(0, signs.beat_seconds),
        )
    yield _gauge("pool_connections_in_use", "Connections in use in the workers' pools.", fleet.pool_in_use)
    yield _gauge("pool_connections_capacity", "Connections that the workers may open.", fleet.pool_capacity)


def _server(reading: Reading) -> Iterator[Metric]:
    server = reading.server
    yield _gauge("server_connections", "Connections to the database server.", server.connection_count)
    yield _gauge(
        "server_connections_limit", "Connections that the database server allows.", server.connection_limit
    )
    held = max((snapshot.seconds or 0 for snapshot in reading.snapshots), default=0)
    yield _gauge("held_snapshot_age_seconds", "How old the oldest snapshot is. It holds back vacuum.", held)
    began = max((snapshot.transactions for snapshot in reading.snapshots), default=0)
    text = "Transactions begun since the oldest snapshot of a session, a standby or a replication slot."
    yield _gauge("held_snapshot_age_transactions", text, began)
    endless = sum(flow.record_count for flow in reading.endless_claims)
    yield _gauge("endless_claims", "Records claimed again and again without an outcome.", endless)
    text = "Handlers that run far longer than is usual for their flow."
    yield _gauge("hung_handlers", text, len(reading.hung_handlers))
    alerts = GaugeMetricFamily("processing_queue_alerts", "Alerts that are open.", labels=["level"])
    for level in LEVELS:
        alerts.add_metric([level], reading.open_alerts.get(level, 0))
    yield alerts


def _replica(reading: Reading) -> Iterator[Metric]:
    if not reading.has_replica:
        return
    lag = reading.replica_lag_seconds
    yield _gauge("replica_up", "1 while the replica answers. Records are counted there.", lag is not None)
    if lag is not None:
        yield _gauge("replica_lag_seconds", "How many seconds the replica is behind.", max(0, lag))


def _gauge(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(f"processing_queue_{name}", text)
    family.add_metric([], value)
    return family


def _buckets(histogram: Sequence[int]) -> list[tuple[str, float]]:
    bounds = [*(f"{bound:g}" for bound in BOUNDS_SECONDS), "+Inf"]
    return list(zip(bounds, accumulate(histogram), strict=True))

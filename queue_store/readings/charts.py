"""The figures that charts show, in buckets of time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from queue_store.counts.histogram import percentile
from queue_store.database.rows import rows_as
from queue_store.database.statements import sql


@dataclass(frozen=True, slots=True)
class ChartSpan:
    """`bucket_seconds`: the length of the buckets for throughput and depth. Durations have buckets of a minute or an
    hour."""

    name: str
    seconds: int
    bucket_seconds: int


SPANS = {
    "1h": ChartSpan("1h", 3_600, 60),
    "24h": ChartSpan("24h", 86_400, 900),
    "7d": ChartSpan("7d", 604_800, 3_600),
}


@dataclass(frozen=True, slots=True)
class CountBucket:
    at: datetime
    enqueued: int
    completed: int
    failed: int
    retried: int
    cancelled: int


@dataclass(frozen=True, slots=True)
class DepthBucket:
    at: datetime
    pending: int
    processing: int
    oldest_due_seconds: float | None


@dataclass(frozen=True, slots=True)
class DurationBucket:
    """Percentiles in seconds; None for a bucket in which nothing was processed."""

    at: datetime
    processing_p50: float | None
    processing_p95: float | None
    wait_p50: float | None
    wait_p95: float | None


@dataclass(frozen=True, slots=True)
class Charts:
    now: datetime
    span: ChartSpan
    counts: list[CountBucket]
    depths: list[DepthBucket]
    durations: list[DurationBucket]


def read_charts(cursor: Cursor[Any], span: ChartSpan, flow_name: str | None = None) -> Charts:
    parameters: dict[str, Any] = {
        "seconds": span.seconds,
        "bucket_seconds": span.bucket_seconds,
        "flow_name": flow_name,
    }
    row = cursor.execute("SELECT now()").fetchone()
    assert row is not None

    def rows(statement: str) -> Cursor[Any]:
        # The statement is not prepared, because a prepared statement would have one plan for spans of all lengths. The
        # planner would make that plan for a week of minutes, however short the span is.
        return cursor.execute(sql(statement), parameters, prepare=False)

    return Charts(
        row[0],
        span,
        rows_as(rows("readings/chart_counts"), CountBucket),
        rows_as(rows("readings/chart_depths"), DepthBucket),
        [_durations(row) for row in rows_as(rows("readings/chart_durations"), _Histograms)],
    )


@dataclass(frozen=True, slots=True)
class _Histograms:
    at: datetime
    processing: list[int]
    wait: list[int]


def _durations(row: _Histograms) -> DurationBucket:
    return DurationBucket(
        row.at,
        percentile(row.processing, 0.5) if row.processing else None,
        percentile(row.processing, 0.95) if row.processing else None,
        percentile(row.wait, 0.5) if row.wait else None,
        percentile(row.wait, 0.95) if row.wait else None,
    )

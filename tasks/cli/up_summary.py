"""The summary of `queuectl up` after everything has started and the sample has ended."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from queue_store.database.manager import DatabaseManager
from queue_store.readings.fleet import read_fleet
from queue_store.readings.flow_counts import add_up, read_flow_counts
from queue_store.readings.top_errors import ErrorGroup, read_top_errors
from queue_store.readings.windows import add_up as add_up_windows, read_window
from queue_store.records.record import STATUSES
from queue_store.settings import load_processor_settings

from ..embedded.sample import Sample

WINDOW_SECONDS = 3600.0
ERRORS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class SampleResult:
    """`surprises`: a sentence for each record that did not end as it should."""

    record_count: int
    ended_count: int
    failed_on_purpose_count: int
    seconds: float
    completed_per_second: float
    surprises: Sequence[str]


@dataclass(frozen=True, slots=True)
class Health:
    """The rate and the duration are those of the last hour. The rate is None if fewer than 20 records completed or
    failed in that hour, and the duration is None if no attempt ended."""

    waiting_count: int
    worker_processes_alive: int
    success_rate_percent: float | None
    processing_seconds_95_percent: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """`errors`: the errors since the start, by kind. The most frequent kind comes first."""

    ended_as_expected: bool
    sample: SampleResult | None
    counts: dict[str, int]
    health: Health
    errors: list[ErrorGroup]
    queue_page: str
    logs: str


def result_of(sample: Sample, database: DatabaseManager) -> SampleResult:
    return SampleResult(
        record_count=sample.size,
        ended_count=sample.finished_count,
        failed_on_purpose_count=sample.failed_on_purpose_count,
        seconds=sample.seconds,
        completed_per_second=sample.completed_per_second(database),
        surprises=sample.surprises,
    )


def read_summary(
    database: DatabaseManager, sample: SampleResult | None, began: float, queue_page: str, logs: str
) -> Summary:
    """`began`: when this command began, by the monotonic clock."""
    with database.transaction() as cursor:
        counts = add_up(read_flow_counts(cursor))
        window = add_up_windows(read_window(cursor, WINDOW_SECONDS).values(), WINDOW_SECONDS)
        fleet = read_fleet(cursor, load_processor_settings())
        errors = read_top_errors(cursor, time.monotonic() - began, ERRORS_SHOWN)
    return Summary(
        ended_as_expected=sample is None or not sample.surprises,
        sample=sample,
        counts={status: getattr(counts, status) for status in STATUSES},
        health=Health(
            waiting_count=counts.due,
            worker_processes_alive=len(fleet.alive),
            success_rate_percent=window.success_rate_percent,
            processing_seconds_95_percent=window.processing_percentile(0.95),
        ),
        errors=errors,
        queue_page=queue_page,
        logs=logs,
    )

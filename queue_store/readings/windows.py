"""The counts and durations of a window of time that ends now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from psycopg import Cursor

from queue_store.counts.histogram import percentile
from queue_store.database.rows import rows_as
from queue_store.database.statements import sql

MINIMUM_OUTCOMES = 20


@dataclass(frozen=True, slots=True)
class Window:
    """The counts of one flow, or of all flows, in the last `seconds`. `covered_seconds`: the real length of the window.
    The window begins at a whole minute, so it is up to a minute longer than `seconds`. The length is 0 if nothing was
    read."""

    seconds: float
    flow_name: str
    enqueued: int = 0
    claimed: int = 0
    completed: int = 0
    failed: int = 0
    retried: int = 0
    snoozed: int = 0
    released: int = 0
    rescued: int = 0
    crashed: int = 0
    cancelled: int = 0
    refused: int = 0
    purged: int = 0
    processing_seconds: float = 0.0
    processing_histogram: Sequence[int] = ()
    wait_seconds: float = 0.0
    wait_histogram: Sequence[int] = ()
    covered_seconds: float = field(default=0.0, compare=False)

    @property
    def outcomes(self) -> int:
        return self.completed + self.failed

    @property
    def attempts(self) -> int:
        return self.completed + self.failed + self.retried

    @property
    def success_rate_percent(self) -> float | None:
        """The share of completed records among completed and failed records; None for fewer than 20 of these
        records."""
        if self.outcomes < MINIMUM_OUTCOMES:
            return None
        return round(100 * self.completed / self.outcomes, 2)

    @property
    def error_rate_percent(self) -> float | None:
        """The share of attempts that raised an exception; None for fewer than 20 attempts."""
        if self.attempts < MINIMUM_OUTCOMES:
            return None
        return round(100 * (self.failed + self.retried) / self.attempts, 2)

    @property
    def outcomes_per_hour(self) -> float:
        return round(self.outcomes * 3600 / self.seconds, 2)

    @property
    def enqueued_per_hour(self) -> float:
        return round(self.enqueued * 3600 / self.seconds, 2)

    @property
    def outcomes_per_minute(self) -> int:
        return round(self.outcomes * 60 / (self.covered_seconds or self.seconds))

    @property
    def enqueued_per_minute(self) -> int:
        return round(self.enqueued * 60 / (self.covered_seconds or self.seconds))

    @property
    def average_processing_seconds(self) -> float | None:
        return self.processing_seconds / self.attempts if self.attempts else None

    @property
    def average_wait_seconds(self) -> float | None:
        return self.wait_seconds / self.claimed if self.claimed else None

    def processing_percentile(self, share: float) -> float | None:
        return percentile(self.processing_histogram, share) if self.processing_histogram else None

    def wait_percentile(self, share: float) -> float | None:
        return percentile(self.wait_histogram, share) if self.wait_histogram else None


@dataclass(frozen=True, slots=True)
class RecentOutcomes:
    """How many records of a flow were completed or failed in the last `seconds`."""

    flow_name: str
    seconds: float
    outcomes: int

    @property
    def outcomes_per_hour(self) -> float:
        return round(self.outcomes * 3600 / self.seconds, 2)


@dataclass(frozen=True, slots=True)
class Hour:
    hour: datetime
    enqueued: int
    completed: int
    failed: int
    retried: int
    processing_seconds: float


def read_window(
    cursor: Cursor[Any],
    seconds: float,
    flow_names: Sequence[str] | None = None,
    *,
    with_histograms: bool = True,
) -> dict[str, Window]:
    """Returns one window for each of the named flows, or for each flow if none are named. Flows in which nothing
    happened are left out. Reading the histograms takes most of the time. Without histograms, all percentiles are
    None."""
    parameters = {
        "seconds": seconds,
        "flow_names": None if flow_names is None else list(flow_names),
        "with_histograms": with_histograms,
    }
    windows = rows_as(cursor.execute(sql("readings/window"), parameters), Window)
    return {window.flow_name: window for window in windows}


def read_recent_outcomes(
    cursor: Cursor[Any], seconds_by_flow: Mapping[str, float]
) -> dict[str, RecentOutcomes]:
    """The outcomes of each flow in its own window: `seconds_by_flow` gives the length of the flow's window in seconds.
    This function sends one statement, however many flows there are."""
    parameters = {"flow_names": list(seconds_by_flow), "seconds": list(seconds_by_flow.values())}
    found = rows_as(cursor.execute(sql("readings/recent_outcomes"), parameters), RecentOutcomes)
    return {recent.flow_name: recent for recent in found}


def read_claimable_seconds(
    cursor: Cursor[Any], flow_names: Sequence[str], seconds: float
) -> dict[str, float]:
    """For how many seconds each of these flows has had a record that could be claimed. Leaves out each flow that is not
    known to have been without such a record in the last `seconds`, for example because the flow was stopped."""
    parameters = {"flow_names": list(flow_names), "seconds": seconds}
    return dict(cursor.execute(sql("readings/claimable_seconds"), parameters).fetchall())


def read_hours(cursor: Cursor[Any], seconds: float, flow_name: str | None = None) -> list[Hour]:
    """Newest first."""
    parameters = {"seconds": seconds, "flow_name": flow_name}
    return rows_as(cursor.execute(sql("readings/hours"), parameters), Hour)


def add_up(windows: Iterable[Window], seconds: float) -> Window:
    """All flows together."""
    windows = list(windows)
    sums = {
        name: sum(getattr(window, name) for window in windows)
        for name in (f.name for f in fields(Window) if f.type in (int, float))
        if name not in ("seconds", "covered_seconds")
    }
    return Window(
        seconds,
        "all flows",
        **sums,
        processing_histogram=_add_histograms(window.processing_histogram for window in windows),
        wait_histogram=_add_histograms(window.wait_histogram for window in windows),
        covered_seconds=max((window.covered_seconds for window in windows), default=0.0),
    )


def _add_histograms(histograms: Iterable[Sequence[int]]) -> tuple[int, ...]:
    return tuple(sum(counts) for counts in zip(*filter(None, histograms), strict=True))

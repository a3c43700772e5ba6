"""The depth of the queue over time, the usual values of each flow, and how reliably the database could be reached."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from queue_store.database.rows import rows_as, the_row_as
from queue_store.database.statements import sql

BASELINE_WEEKS = 5
DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Depth:
    """`waiting`: due records of flows that nobody stopped."""

    minute: datetime
    pending: int
    processing: int
    oldest_due_seconds: float | None
    waiting: int


@dataclass(frozen=True, slots=True)
class Baseline:
    """The usual values of a flow at this hour of the week, learned from `week_count` weeks."""

    flow_name: str
    outcomes_per_hour: float
    success_rate_percent: float | None
    processing_seconds: float | None
    week_count: int


@dataclass(frozen=True, slots=True)
class ConnectionSuccess:
    attempt_count: int
    success_count: int

    @property
    def success_rate_percent(self) -> float | None:
        return round(100 * self.success_count / self.attempt_count, 2) if self.attempt_count else None


@dataclass(frozen=True, slots=True)
class Day:
    day: datetime
    enqueued: int
    outcomes: int


def read_days(cursor: Cursor[Any], days: int) -> list[Day]:
    """Full days only, oldest first. The first day with counts is left out, unless there are counts from before `days`
    days ago."""
    return rows_as(cursor.execute(sql("readings/days"), {"days": days}), Day)


def read_depths(
    cursor: Cursor[Any], seconds: float, flow_name: str | None = None, *, not_waiting: Collection[str] = ()
) -> list[Depth]:
    """Oldest first. The records of the flows `not_waiting` do not count as waiting."""
    parameters = {"seconds": seconds, "flow_name": flow_name, "not_waiting": list(not_waiting)}
    return rows_as(cursor.execute(sql("readings/depths"), parameters), Depth)


def read_baselines(cursor: Cursor[Any]) -> dict[str, Baseline]:
    baselines = rows_as(cursor.execute(sql("readings/baselines")), Baseline)
    return {baseline.flow_name: baseline for baseline in baselines}


def renew_baselines(cursor: Cursor[Any], weeks: int = BASELINE_WEEKS) -> int:
    """Returns how many baselines were learned or updated."""
    return cursor.execute(sql("counts/renew_baselines"), {"weeks": weeks}).rowcount


def read_connection_success(cursor: Cursor[Any], seconds: float = DAY_SECONDS) -> ConnectionSuccess:
    return the_row_as(
        cursor.execute(sql("readings/connection_success"), {"seconds": seconds}), ConnectionSuccess
    )


def note_connection_check(
    cursor: Cursor[Any], attempt_count: int, success_count: int, response_time_ms: float | None
) -> None:
    parameters = {
        "attempt_count": attempt_count,
        "success_count": success_count,
        "response_time_ms": response_time_ms,
    }
    cursor.execute(sql("readings/note_connection_check"), parameters)

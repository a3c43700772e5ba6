"""Counts that only grow, for callers that subtract two readings. The counts begin at zero with the first reading."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg import Cursor
from psycopg.rows import dict_row

from queue_store.counts.histogram import BOUNDS_SECONDS
from queue_store.database.statements import sql

COUNTED = (
    "enqueued",
    "claimed",
    "completed",
    "failed",
    "retried",
    "snoozed",
    "released",
    "rescued",
    "crashed",
    "cancelled",
    "reset",
    "refused",
    "purged",
)
SETTLED_AFTER = timedelta(hours=3)
BUCKETS = len(BOUNDS_SECONDS) + 1


@dataclass(slots=True)
class Counters:
    """The counters of one flow. `counts`: one number for each name in COUNTED, in the same order."""

    counts: list[int] = field(default_factory=lambda: [0] * len(COUNTED))
    processing_seconds: float = 0.0
    wait_seconds: float = 0.0
    processing_histogram: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    wait_histogram: list[int] = field(default_factory=lambda: [0] * BUCKETS)

    def plus(self, other: "Counters") -> "Counters":
        return Counters(
            _added(self.counts, other.counts),
            self.processing_seconds + other.processing_seconds,
            self.wait_seconds + other.wait_seconds,
            _added(self.processing_histogram, other.processing_histogram),
            _added(self.wait_histogram, other.wait_histogram),
        )

    def minus(self, other: "Counters") -> "Counters":
        return Counters(
            _grown(self.counts, other.counts),
            max(0.0, self.processing_seconds - other.processing_seconds),
            max(0.0, self.wait_seconds - other.wait_seconds),
            _grown(self.processing_histogram, other.processing_histogram),
            _grown(self.wait_histogram, other.wait_histogram),
        )


class CounterReader:
    """Remembers the counts of hours that ended at least three hours ago, so that a reading is cheap even after
    years."""

    def __init__(self) -> None:
        self._settled: dict[str, Counters] = {}
        self.from_hour: datetime | None = None
        self._before: dict[str, Counters] | None = None

    def read(self, cursor: Cursor[Any]) -> dict[str, Counters]:
        """The counts since the first reading, by flow."""
        counted = self._count(cursor)
        if self._before is None:
            self._before = counted
        empty = Counters()
        return {name: counter.minus(self._before.get(name, empty)) for name, counter in counted.items()}

    def _count(self, cursor: Cursor[Any]) -> dict[str, Counters]:
        """Counting begins with the hour of the first reading, because folded counts exist only for whole hours."""
        row = cursor.execute("SELECT date_trunc('hour', now(), 'UTC')").fetchone()
        assert row is not None
        hour: datetime = row[0]
        self.from_hour = self.from_hour or hour
        if hour - self.from_hour > SETTLED_AFTER:
            before = hour - SETTLED_AFTER
            self._settled = _sums(self._settled, _counted(cursor, self.from_hour, before))
            self.from_hour = before
        return _sums(self._settled, _counted(cursor, self.from_hour, None))


def _counted(cursor: Cursor[Any], from_hour: datetime, before_hour: datetime | None) -> dict[str, Counters]:
    parameters = {"from_hour": from_hour, "before_hour": before_hour}
    with cursor.connection.cursor(row_factory=dict_row) as named:
        rows = named.execute(sql("readings/counters"), parameters).fetchall()
    return {
        row["flow_name"]: Counters(
            [row[name] for name in COUNTED],
            row["processing_seconds"],
            row["wait_seconds"],
            _full(row["processing_histogram"]),
            _full(row["wait_histogram"]),
        )
        for row in rows
    }


def _sums(left: dict[str, Counters], right: dict[str, Counters]) -> dict[str, Counters]:
    empty = Counters()
    return {name: left.get(name, empty).plus(right.get(name, empty)) for name in {*left, *right}}


def _full(histogram: list[int]) -> list[int]:
    return list(histogram) + [0] * (BUCKETS - len(histogram))


def _grown(now: list[int], before: list[int]) -> list[int]:
    return [max(0, a - b) for a, b in zip(now, before, strict=True)]


def _added(left: list[int], right: list[int]) -> list[int]:
    return [a + b for a, b in zip(left, right, strict=True)]

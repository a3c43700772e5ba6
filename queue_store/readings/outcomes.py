"""Outcomes as they happen: each unsuccessful attempt, and the number of completed records."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Cursor

from queue_store.database.rows import rows_as
from queue_store.database.statements import sql
from queue_store.readings.counters import COUNTED, CounterReader
from queue_store.readings.error_text import error_text

ATTEMPTS_AT_ONCE = 200
COMPLETED = COUNTED.index("completed")


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    at: datetime
    flow_name: str
    record_id: int
    outcome: str
    exception_type: str
    error_message: str

    @property
    def text(self) -> str:
        return error_text(self.exception_type, self.error_message)


@dataclass(slots=True)
class OutcomeReader:
    """Returns only outcomes that it has not returned before. An attempt can be missed if a newer attempt is committed
    first. So this class is made for watching outcomes, not for bookkeeping."""

    flow_name: str | None = None
    _after: tuple[datetime, int] | None = None
    _counters: CounterReader = field(default_factory=CounterReader)
    _completed: dict[str, int] = field(default_factory=dict[str, int])

    def read(self, cursor: Cursor[Any]) -> tuple[dict[str, int], list[FailedAttempt]]:
        """The number of completed records by flow, and the unsuccessful attempts (at most ATTEMPTS_AT_ONCE), since the
        previous reading. The first reading returns nothing."""
        completed = {name: c.counts[COMPLETED] for name, c in self._counters.read(cursor).items()}
        if self._after is None:
            row = cursor.execute("SELECT now()").fetchone()
            assert row is not None
            self._after, self._completed = (row[0], 0), completed
            return {}, []
        grown = {
            name: count - self._completed.get(name, 0)
            for name, count in completed.items()
            if count > self._completed.get(name, 0) and self.flow_name in (None, name)
        }
        self._completed = completed
        return grown, self._attempts(cursor, self._after)

    def _attempts(self, cursor: Cursor[Any], after: tuple[datetime, int]) -> list[FailedAttempt]:
        parameters: dict[str, Any] = {
            "after_at": after[0],
            "after_id": after[1],
            "flow_name": self.flow_name,
            "limit": ATTEMPTS_AT_ONCE,
        }
        attempts = rows_as(cursor.execute(sql("readings/outcomes"), parameters), FailedAttempt)
        if attempts:
            self._after = (attempts[-1].at, attempts[-1].record_id)
        return attempts

"""The most frequent errors, in groups: errors whose messages differ only in numbers and ids are one group.

All unsuccessful attempts are counted by hour when they are written. For each flow and hour, at least the 100 most
frequent kinds are kept. When there are more than 200 kinds, all but the 100 most frequent are added to the kind OTHER.
For a window of less than an hour, the newest attempts are read instead of the hourly counts.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from queue_store.database.rows import rows_as
from queue_store.database.statements import sql
from queue_store.readings.error_text import error_text

ATTEMPTS_AT_MOST = 5_000
HOUR_SECONDS = 3_600
OTHER = "other"


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """`error_message` is the newest message of this kind. `record_count`: the number of records that had an attempt
    with this error in the window. If the window is an hour or longer, a record that already had this error before the
    window is not counted. `is_capped`: whether only the newest attempts were read. `counted_since`: the start of the
    window. A window of an hour or more starts at a full hour."""

    error_group: str
    error_message: str
    exception_type: str
    error_count: int
    failed_count: int
    record_count: int
    flow_names: list[str]
    first_at: datetime
    last_at: datetime
    is_capped: bool
    counted_since: datetime

    @property
    def text(self) -> str:
        return (
            "other kinds"
            if self.error_group == OTHER
            else error_text(self.exception_type, self.error_message)
        )


def read_top_errors(
    cursor: Cursor[Any], seconds: float, groups: int = 10, flow_name: str | None = None
) -> list[ErrorGroup]:
    """`seconds`: the length of the window. A window of an hour or more is extended back to the start of an hour."""
    parameters = {"seconds": seconds, "groups": groups, "flow_name": flow_name}
    if seconds < HOUR_SECONDS:
        newest = sql("readings/newest_errors")
        return rows_as(cursor.execute(newest, parameters | {"limit": ATTEMPTS_AT_MOST}), ErrorGroup)
    return rows_as(cursor.execute(sql("readings/top_errors"), parameters), ErrorGroup)

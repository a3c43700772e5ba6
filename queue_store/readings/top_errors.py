"""Which errors are the most frequent, grouped so that numbers and ids inside a message do not split a group."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from queue_store.database.rows import rows_as
from queue_store.database.statements import sql

ATTEMPTS_AT_MOST = 5_000


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """`error_message` is the newest of its kind. `is_capped`: only the newest attempts were looked at."""

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


def read_top_errors(
    cursor: Cursor[Any], seconds: float, groups: int = 10, flow_name: str | None = None
) -> list[ErrorGroup]:
    parameters = {"seconds": seconds, "limit": ATTEMPTS_AT_MOST, "groups": groups, "flow_name": flow_name}
    return rows_as(cursor.execute(sql("readings/top_errors"), parameters), ErrorGroup)

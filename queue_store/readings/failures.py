"""The attempts that ended with one kind of error."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import Cursor

from queue_store.database.rows import rows_as
from queue_store.database.statements import sql

NEWEST = (datetime(9999, 1, 1, tzinfo=UTC), 2**63 - 1)


@dataclass(frozen=True, slots=True)
class GroupAttempt:
    """`status`: the record's present status; None if the record was purged."""

    record_id: int
    flow_name: str
    status: str | None
    attempt_number: int
    outcome: str
    exception_type: str
    error_message: str
    finished_at: datetime


def read_group_attempts(
    cursor: Cursor[Any],
    error_group: str,
    before: tuple[datetime, int] = NEWEST,
    limit: int = 50,
) -> list[GroupAttempt]:
    """Returns attempts with this kind of error, the newest first. `before`: the time and the id of the last attempt on
    the previous page."""
    parameters = {
        "error_group": error_group,
        "before_at": before[0],
        "before_id": before[1],
        "limit": limit,
    }
    return rows_as(cursor.execute(sql("readings/group_attempts"), parameters), GroupAttempt)

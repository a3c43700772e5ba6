"""Flows whose claims fail, so that none of their records is processed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from queue_store.database.rows import rows_as
from queue_store.database.statements import sql

AT_LEAST = 3
FOR_SECONDS = 30.0  # failures because of a conflict end sooner


@dataclass(frozen=True, slots=True)
class FailingClaims:
    flow_name: str
    failed_count: int
    since: datetime
    error: str


def read_failing_claims(cursor: Cursor[Any]) -> list[FailingClaims]:
    """The flows whose claims keep failing for any reason except an unavailable database."""
    parameters = {"at_least": AT_LEAST, "for_seconds": FOR_SECONDS}
    return rows_as(cursor.execute(sql("readings/failing_claims"), parameters), FailingClaims)

"""The load on the database server: slow statements, held snapshots, and our tables."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from queue_store.database.rows import rows_as
from queue_store.database.statements import sql

SLOW_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class SlowStatement:
    pid: int
    application_name: str
    user_name: str | None
    state: str
    wait_event_type: str | None
    seconds: float
    statement: str
    blocked_by: list[int]


@dataclass(frozen=True, slots=True)
class HeldSnapshot:
    """`transactions`: how many transactions have begun since the snapshot. Vacuum cannot remove rows that became dead
    after the snapshot."""

    kind: str
    holder: str
    state: str | None
    transactions: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class TableReading:
    table_name: str
    bytes: int
    live_rows: int
    dead_rows: int
    vacuumed_at: datetime | None


def read_slow_statements(cursor: Cursor[Any], seconds: float = SLOW_SECONDS) -> list[SlowStatement]:
    return rows_as(cursor.execute(sql("readings/slow_statements"), {"seconds": seconds}), SlowStatement)


def read_held_snapshots(cursor: Cursor[Any]) -> list[HeldSnapshot]:
    """The oldest first."""
    return rows_as(cursor.execute(sql("readings/held_snapshots"), {}), HeldSnapshot)


def read_tables(cursor: Cursor[Any]) -> list[TableReading]:
    return rows_as(cursor.execute(sql("readings/tables")), TableReading)

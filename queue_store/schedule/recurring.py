"""Recurring records: one for each occurrence of a flow's schedule that is not skipped or missed. One table holds these
occurrences and those of the maintenance tasks. The names of the entries for flows begin with `flow:`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from queue_store.database.rows import row_as
from queue_store.database.statements import sql


@dataclass(frozen=True, slots=True)
class LastOccurrence:
    due_at: datetime
    state: str


def database_time(cursor: Cursor[Any]) -> datetime:
    row = cursor.execute(sql("schedule/database_time")).fetchone()
    assert row is not None
    return row[0]


def enqueue_occurrence(
    cursor: Cursor[Any], flow_name: str, due_at: datetime, encoded_payload: bytes
) -> int | None:
    """Returns the id of the new record, whose `scheduled_at` is the time of the occurrence. Returns None if another
    process has already stored this or a later occurrence, or if the flow is new."""
    parameters = {
        "entry": entry_of(flow_name),
        "flow_name": flow_name,
        "due_at": due_at,
        "payload": encoded_payload.decode(),
    }
    row = cursor.execute(sql("enqueueing/enqueue_occurrence"), parameters).fetchone()
    return row[0] if row else None


def last_occurrence(cursor: Cursor[Any], flow_name: str) -> LastOccurrence | None:
    parameters = {"entry": entry_of(flow_name)}
    return row_as(cursor.execute(sql("schedule/last_occurrence"), parameters), LastOccurrence)


def forget(cursor: Cursor[Any]) -> None:
    cursor.execute(sql("schedule/forget_occurrences_of_flows"), {})


def entry_of(flow_name: str) -> str:
    return f"flow:{flow_name}"

"""The schedule, the beat processes, and the audit log."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from queue_store.database.index_plans import index_plans
from queue_store.database.rows import rows_as, the_row_as
from queue_store.database.statements import sql
from queue_store.schedule import recurring


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """The newest occurrence of an entry, and when an occurrence of this entry last finished without an error."""

    entry: str
    due_at: datetime
    state: str
    taken_at: datetime | None
    finished_at: datetime | None
    take_number: int
    error_message: str | None
    last_finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class BeatRow:
    """`ticks`: for each entry with a plain interval, the time at which this beat last found the entry due (ISO
    8601)."""

    hostname: str
    pid: int
    started_at: datetime
    heartbeat_at: datetime
    is_leader: bool
    ticks: dict[str, str]


@dataclass(frozen=True, slots=True)
class FlowSchedule:
    """The schedule of a recurring flow. `schedule`: a text for people. `fields`: the schedule as JSON; None if only
    workers of an older release have registered the flow."""

    flow_name: str
    schedule: str
    fields: dict[str, Any] | None

    @property
    def entry(self) -> str:
        return recurring.entry_of(self.flow_name)


@dataclass(frozen=True, slots=True)
class LastSigns:
    """The seconds since the last heartbeat of any beat process, and of any worker process; None if no heartbeat is
    known. The last beat process that shut down cleanly is included, because its row is kept."""

    beat_seconds: float | None
    worker_seconds: float | None


@dataclass(frozen=True, slots=True)
class AuditRow:
    id: int
    at: datetime
    actor: str
    action: str
    target: str
    affected_count: int
    details: dict[str, Any]


def read_newest_occurrences(cursor: Cursor[Any]) -> list[ScheduleRow]:
    """The newest occurrence of each entry of the schedule."""
    with index_plans(cursor):
        return rows_as(cursor.execute(sql("readings/newest_occurrences")), ScheduleRow)


def read_beats(cursor: Cursor[Any]) -> list[BeatRow]:
    return rows_as(cursor.execute(sql("readings/beats")), BeatRow)


def read_flow_schedules(cursor: Cursor[Any]) -> list[FlowSchedule]:
    return rows_as(cursor.execute(sql("readings/flow_schedules")), FlowSchedule)


def read_database_time(cursor: Cursor[Any]) -> datetime:
    return recurring.database_time(cursor)


def read_last_signs(cursor: Cursor[Any]) -> LastSigns:
    return the_row_as(cursor.execute(sql("readings/last_signs")), LastSigns)


def read_audit(cursor: Cursor[Any], before_id: int = 2**63 - 1, limit: int = 50) -> list[AuditRow]:
    """Newest first."""
    parameters = {"before_id": before_id, "limit": limit}
    return rows_as(cursor.execute(sql("readings/audit"), parameters), AuditRow)

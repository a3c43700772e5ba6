"""The occurrences of the schedule. Each due time of an entry is one row, which one worker takes.

A beat process only stores these rows and sends hints. No harm is done if a beat process stores a row or sends a hint
twice. If several occurrences of an entry were missed, only the latest one is executed. A new entry begins with its next
due time. The worker of an occurrence sends heartbeats while it works. If this worker falls silent, another worker takes
the occurrence over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor, errors
from psycopg.types.json import Jsonb

from queue_store.database.idle_in_transaction import limit_idle_in_transaction
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql

SILENT_SECONDS = 60.0
HINT_AGAIN_SECONDS = 30.0
TRIES = 3


@dataclass(frozen=True, slots=True)
class Taken:
    entry: str
    due_at: datetime
    take_number: int

    def parameters(self) -> dict[str, Any]:
        return {"entry": self.entry, "due_at": self.due_at, "take_number": self.take_number}


def lead(
    cursor: Cursor[Any],
    beat_id: UUID,
    hostname: str,
    pid: int,
    lease_seconds: float,
    ticks: Mapping[str, datetime] | None = None,
) -> tuple[bool, datetime]:
    """Returns whether this beat process holds the lease, and the database's time. `ticks`: for each entry with a plain
    interval, the time at which the entry was last due in this process. Call this at the beginning of a transaction. If
    the beat process freezes during that transaction, it holds the row of the lease until the server ends its
    session."""
    limit_idle_in_transaction(cursor)
    parameters: dict[str, Any] = {
        "beat_id": beat_id,
        "hostname": hostname,
        "pid": pid,
        "lease_seconds": lease_seconds,
        "ticks": Jsonb({entry: at.isoformat() for entry, at in (ticks or {}).items()}),
    }
    row = cursor.execute(sql("schedule/beat_leads"), parameters).fetchone()
    if row is None:
        raise LookupError("beat_leads returned no row")
    return row[0], row[1]


def leave(cursor: Cursor[Any], beat_id: UUID) -> None:
    cursor.execute(sql("schedule/beat_leaves"), {"beat_id": beat_id})


def notice(cursor: Cursor[Any], entry: str, due_at: datetime) -> None:
    """Idempotent."""
    cursor.execute(sql("schedule/notice_occurrence"), {"entry": entry, "due_at": due_at})


def skip_removed(cursor: Cursor[Any], entries: Sequence[str], late_seconds: float) -> None:
    """Skips the late occurrences whose entry is not in `entries`, the schedule of the leading beat. During a deploy,
    some workers may still have an older schedule with the entry. So an occurrence is skipped only if it was due more
    than `late_seconds` ago, and no worker has sent a heartbeat for it in the last `late_seconds`. Occurrences of
    recurring flows are never skipped here."""
    parameters = {"entries": list(entries), "late_seconds": late_seconds}
    cursor.execute(sql("schedule/skip_removed_occurrences"), parameters)


def to_hint(cursor: Cursor[Any]) -> list[tuple[str, datetime]]:
    """Returns the occurrences for which a hint must be sent now, and marks them as hinted. An occurrence is given up if
    its worker fell silent in the last of `TRIES` tries."""
    parameters = {"silent_seconds": SILENT_SECONDS, "again_seconds": HINT_AGAIN_SECONDS, "tries": TRIES}
    cursor.execute(sql("schedule/abandon_occurrences"), parameters)
    return cursor.execute(sql("schedule/hint_occurrences"), parameters).fetchall()


def take(database: DatabaseManager, entry: str, due_at: datetime) -> Taken | None:
    """Returns None if the occurrence is done already, or if a worker is working on this or another occurrence of the
    entry."""
    parameters = {"entry": entry, "due_at": due_at, "silent_seconds": SILENT_SECONDS}
    try:
        with database.transaction() as cursor:
            row = cursor.execute(sql("schedule/take_occurrence"), parameters).fetchone()
    except errors.UniqueViolation:  # another occurrence of the same entry is running
        return None
    return Taken(entry, due_at, row[0]) if row else None


def beat(cursor: Cursor[Any], taken: Taken) -> bool:
    """Returns False if another worker took the occurrence over."""
    return cursor.execute(sql("schedule/beat_occurrence"), taken.parameters()).fetchone() is not None


def finish(
    cursor: Cursor[Any], taken: Taken, error_message: str | None = None, *, excused: bool = False
) -> str | None:
    """The new state of the occurrence: finished, due (to be tried again) or failed. Returns None if another worker took
    the occurrence over. `excused`: the error says that the occurrence must wait, so this execution does not count as a
    try."""
    parameters = {
        **taken.parameters(),
        "error_message": error_message,
        "excused": excused,
        "tries": TRIES,
    }
    row = cursor.execute(sql("schedule/finish_occurrence"), parameters).fetchone()
    return row[0] if row else None

"""The database sessions in which a run has a transaction open. Rescue ends those of a dead run: they hold locks.

They are found by an advisory lock that each such transaction takes and that ends with it, never by a process id that
was noted earlier. Behind a pooler the session of an earlier transaction belongs to somebody else by now.
"""

from typing import Any
from uuid import UUID

from psycopg import AsyncCursor, Cursor

from queue_store.database.statements import sql

LOCK_CLASS = 0x70717275  # the upper half of the lock's key, `classid` in pg_locks; the lower half is the run
TERMINATE_TIMEOUT_MILLISECONDS = 2_000


def session_lock(flow_instance_id: UUID) -> int:
    """The key of the lock. It is taken in shared mode, so that two runs whose numbers are equal do not wait."""
    return LOCK_CLASS << 32 | flow_instance_id.int >> 96


def run_parameters(flow_instance_id: UUID) -> dict[str, Any]:
    """Of every statement with which a transaction of a run begins."""
    return {"flow_instance_id": flow_instance_id, "session_lock": session_lock(flow_instance_id)}


def find_sessions(cursor: Cursor[Any], flow_instance_id: UUID) -> list[int]:
    """The process ids of the server's sessions that work for the run at this moment."""
    rows = cursor.execute(sql("liveness/sessions_of_run"), run_parameters(flow_instance_id)).fetchall()
    return [row[0] for row in rows]


def terminate_sessions(
    cursor: Cursor[Any], flow_instance_id: UUID, lease_seconds: float | None = None
) -> None:
    """End what `find_sessions` finds. With a lease: unless the run's heartbeat arrived since. Raises
    InsufficientPrivilege."""
    parameters = {"lease_seconds": lease_seconds, "timeout_milliseconds": TERMINATE_TIMEOUT_MILLISECONDS}
    cursor.execute(sql("liveness/terminate_sessions"), run_parameters(flow_instance_id) | parameters)


async def is_alive(cursor: AsyncCursor[Any], flow_instance_id: UUID) -> bool:
    """False: the run was declared dead, or has ended."""
    await cursor.execute(sql("runs/run_alive"), {"flow_instance_id": flow_instance_id})
    return await cursor.fetchone() is not None

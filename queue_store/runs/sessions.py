"""The database session of a run. Rescue ends the session of a dead run, because it can hold locks for long."""

from typing import Any
from uuid import UUID

from psycopg import AsyncCursor, Cursor

from queue_store.database.statements import sql


async def adopt_session(cursor: AsyncCursor[Any], flow_instance_id: UUID) -> bool:
    """Notes the session of this cursor as the session of the run. False: the run was declared dead."""
    await cursor.execute(sql("runs/adopt_session"), {"flow_instance_id": flow_instance_id})
    return await cursor.fetchone() is not None


def terminate_session(cursor: Cursor[Any], flow_instance_id: UUID) -> None:
    cursor.execute(sql("runs/terminate_run_session"), {"flow_instance_id": flow_instance_id})

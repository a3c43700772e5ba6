"""The history of maintenance."""

from typing import Any

from psycopg import Cursor

from queue_store.database.index_plans import index_plans
from queue_store.database.statements import sql


def read_maintenance_runs(cursor: Cursor[Any], limit: int) -> list[tuple[Any, ...]]:
    """The newest first."""
    with index_plans(cursor):
        return cursor.execute(sql("maintenance/maintenance_runs"), {"limit": limit}).fetchall()

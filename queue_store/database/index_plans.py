"""Plans that find the records of each flow through an index, even if the planner's statistics are outdated."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from psycopg import Cursor

from queue_store.database.statements import sql


@contextmanager
def index_plans(cursor: Cursor[Any]) -> Generator[None]:
    """In this block, steers the plans of the statements in the cursor's transaction. Later statements are planned as
    the connection is configured."""
    cursor.execute(sql("readings/plan_by_index"))
    yield
    cursor.execute(sql("runs/plan_as_connected"))

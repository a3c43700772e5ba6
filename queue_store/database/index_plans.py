"""Plans that find the records of each flow or page through an index, even if the planner's statistics are outdated."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from psycopg import Cursor

from queue_store.database.statements import sql


@contextmanager
def index_plans(cursor: Cursor[Any]) -> Generator[None]:
    """Inside this block, Postgres avoids sequential scans and bitmap scans where it can, and compiles no statement
    (`jit`). This applies to the cursor's transaction only. Later statements of this transaction are planned as before.
    But if a statement in the block fails, the caller must roll the transaction back."""
    row = cursor.execute(sql("readings/plan_by_index")).fetchone()
    assert row is not None
    seqscan, bitmapscan, jit, *_ = row
    yield
    cursor.execute(sql("readings/plan_as_before"), {"seqscan": seqscan, "bitmapscan": bitmapscan, "jit": jit})

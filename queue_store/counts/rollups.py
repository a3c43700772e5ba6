"""Each enqueue, arrow and purge appends its counts as deltas. Every few seconds the deltas are folded into minutes,
hours and totals.

A fold takes the deltas that are waiting, in bounded steps. Each step moves its deltas in one statement. If a fold is
interrupted, the next fold takes the rest. A reading adds folded counts and unfolded deltas in one statement, so the
reading is always exact.
"""

from dataclasses import dataclass
from typing import Any

from psycopg import Cursor

from queue_store.database.index_plans import index_plans
from queue_store.database.manager import DatabaseManager
from queue_store.database.rows import rows_as
from queue_store.database.statements import sql

DELTAS_AT_ONCE = 5_000
STEPS_AT_ONCE = 40
COUNT_LIMIT = 1_000
# If a flow has more than 2 × ERROR_KINDS kinds of errors in an hour, only the ERROR_KINDS most frequent kinds are kept.
# The other kinds are added to the kind `other`. The trigger account_for_attempts keeps at most
# ERROR_KINDS kinds in each delta.
ERROR_KINDS = 100


@dataclass(frozen=True, slots=True)
class Correction:
    """The correction that a recount added to the totals of a flow. A recount corrects the totals after somebody changed
    a status without an arrow."""

    flow_name: str
    total: int
    completed: int
    failed: int
    cancelled: int


def fold(database: DatabaseManager) -> int:
    """Fold the waiting deltas. Once a minute, also store the depth of the queue. Returns how many deltas were folded:
    0 if none waited, or if another process is folding at this moment."""
    folded = 0
    for _ in range(STEPS_AT_ONCE):
        step = _fold_step(database)
        folded += step
        if step < DELTAS_AT_ONCE:
            break
    _sample_depths(database)
    return folded


def recount(cursor: Cursor[Any], *, dry_run: bool = False) -> list[Correction]:
    """Count every row and correct the totals. This scans the whole table, so call it once a night. A dry run returns
    the same corrections, but does not apply them. Folds continue during a dry run."""
    if not dry_run:
        cursor.execute(sql("counts/wait_for_rollups"))
    return rows_as(cursor.execute(sql("counts/recount"), {"dry_run": dry_run}), Correction)


def _fold_step(database: DatabaseManager) -> int:
    with database.transaction() as cursor:
        newest = cursor.execute(sql("counts/newest_rollup_delta")).fetchone()
        mark = cursor.execute(sql("counts/lock_rollups")).fetchone()
        if newest is None or mark is None:
            return 0
        folded_through_id, wants_candidate = mark
        if wants_candidate:
            cursor.execute(sql("counts/propose_rollup_mark"), {"newest_id": newest[0]})
        parameters = {"folded_through_id": folded_through_id, "limit": DELTAS_AT_ONCE}
        row = cursor.execute(sql("counts/fold"), parameters).fetchone()
        assert row is not None
        moved, errors_from_hour = row
        if errors_from_hour is not None:
            cursor.execute(sql("counts/bound_errors"), {"kinds": ERROR_KINDS, "from_hour": errors_from_hour})
        return moved


def _sample_depths(database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        noted = cursor.execute(sql("counts/is_depth_noted")).fetchone()
        if noted is None or not noted[0]:
            with index_plans(cursor):
                cursor.execute(sql("counts/sample_depths"), {"limit": COUNT_LIMIT})

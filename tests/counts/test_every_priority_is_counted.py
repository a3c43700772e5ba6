"""Counts, queue depths and the wait of the oldest due record take every priority into account."""

import pytest

from queue_store.counts.rollups import COUNT_LIMIT
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.readings.flow_counts import FlowCounts, read_flow_counts
from tests.support.filling import add_flow

INSERT = """
INSERT INTO processing_queue (flow_name, priority, scheduled_at)
SELECT %(flow_name)s, p, now() + make_interval(secs => %(seconds)s + p) FROM unnest(%(priorities)s::integer[]) p
"""


def insert(database: DatabaseManager, flow_name: str, priorities: list[int], seconds: float) -> None:
    with database.transaction() as cursor:
        cursor.execute(INSERT, {"flow_name": flow_name, "priorities": priorities, "seconds": seconds})


def read(database: DatabaseManager, flow_name: str) -> FlowCounts:
    with database.transaction() as cursor:
        return next(flow for flow in read_flow_counts(cursor) if flow.flow_name == flow_name)


@pytest.mark.parametrize("due", [[], [0], [9], [4], [0, 9], [2, 3, 7], list(range(10))])
@pytest.mark.parametrize("future", [[], [0], [9], [5, 6], list(range(10))])
def test_all_are_counted(due: list[int], future: list[int], database: DatabaseManager) -> None:
    add_flow(database, "alpha")
    insert(database, "alpha", due * 3, -1000)
    insert(database, "alpha", future * 2, 1000)
    insert(database, "beta", list(range(10)), -5000)
    if not due and not future:
        return
    counts = read(database, "alpha")
    assert (counts.due, counts.pending) == (3 * len(due), 3 * len(due) + 2 * len(future))
    if due:
        assert counts.oldest_due_seconds == pytest.approx(1000 - min(due), abs=5)
    else:
        assert counts.oldest_due_seconds is None
    with database.transaction() as cursor:
        cursor.execute(sql("counts/sample_depths"), {"limit": COUNT_LIMIT})
        sampled = cursor.execute(
            "SELECT pending, waiting, oldest_due_seconds FROM depth_minutes WHERE flow_name = 'alpha'"
        ).fetchone()
    assert sampled is not None
    assert sampled[:2] == (counts.pending, counts.due)
    assert (sampled[2] is None) == (not due)
    if due:
        assert sampled[2] == pytest.approx(counts.oldest_due_seconds, abs=5)


def test_the_limit_holds_over_all_priorities(database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO processing_queue (flow_name, priority, scheduled_at)"
            " SELECT 'alpha', n %% 3, now() - interval '1 hour' FROM generate_series(1, %(count)s) n",
            {"count": COUNT_LIMIT + 30},
        )
    counts = read(database, "alpha")
    assert counts.is_approximate
    assert counts.pending == counts.due == COUNT_LIMIT + 30

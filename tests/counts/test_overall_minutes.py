"""`rollup_overall` has the sums of `rollup_minutes` over all flows, whichever statement changes `rollup_minutes`."""

from typing import Any

import pytest

from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from queue_store.readings.charts import SPANS, read_charts

SUMS = """
SELECT minute, sum(enqueued), sum(completed), sum(failed), sum(retried), sum(cancelled),
    sum_histograms(processing_histogram), sum_histograms(wait_histogram)
FROM rollup_minutes GROUP BY minute ORDER BY minute
"""
OVERALL = "SELECT * FROM rollup_overall ORDER BY minute"
DELTAS = """
INSERT INTO rollup_deltas (at, flow_name, enqueued, completed, failed, retried, cancelled, processing_histogram,
    wait_histogram)
SELECT now() - n * interval '20 minutes', 'flow_' || n %% 3, n, 2, 1, n %% 2, 1, CASE WHEN n %% 4 = 0 THEN '{}'
    ELSE array_fill(n, ARRAY[18]) END, '{}'
FROM generate_series(1, %(count)s) n
"""


def both(database: DatabaseManager) -> tuple[list[Any], list[Any]]:
    with database.transaction() as cursor:
        sums = cursor.execute(SUMS).fetchall()
        overall = cursor.execute(OVERALL).fetchall()
    return told(overall), told(sums)


def told(rows: list[Any]) -> list[Any]:
    """Omits minutes that have only zeros, and empties histograms that have only zeros."""
    return [(*row[:6], *(h if any(h) else [] for h in row[6:])) for row in rows if any(row[1:6])]


def fold(database: DatabaseManager, count: int = 30) -> None:
    with database.transaction() as cursor:
        cursor.execute(DELTAS, {"count": count})
    rollups.fold(database)


def test_folds_add_to_it(database: DatabaseManager) -> None:
    for _ in range(2):
        fold(database)
        overall, sums = both(database)
        assert overall == sums
        assert len(overall) == 30


CHANGES = {
    "another count": "UPDATE rollup_minutes SET completed = completed + 5 WHERE flow_name = 'flow_1'",
    "another histogram": "UPDATE rollup_minutes SET processing_histogram = '{}' WHERE flow_name = 'flow_2'",
    "a minute that moves": "UPDATE rollup_minutes SET minute = minute - interval '1 day' WHERE flow_name = 'flow_0'",
    "a flow's minutes are lost": "DELETE FROM rollup_minutes WHERE flow_name = 'flow_1'",
    "all are lost": "DELETE FROM rollup_minutes",
    "all are emptied": "TRUNCATE rollup_minutes",
}


@pytest.mark.parametrize("change", CHANGES)
def test_whoever_writes(change: str, database: DatabaseManager) -> None:
    fold(database)
    fold(database, 7)
    with database.transaction() as cursor:
        cursor.execute(CHANGES[change].encode())
    overall, sums = both(database)
    assert overall == sums


@pytest.mark.parametrize("span", SPANS)
def test_charts_of_all_flows_are_the_charts_of_each_together(span: str, database: DatabaseManager) -> None:
    fold(database, 60)
    with database.transaction() as cursor:
        each = [read_charts(cursor, SPANS[span], f"flow_{n}") for n in range(3)]
        together = read_charts(cursor, SPANS[span])
    assert sum(bucket.completed for bucket in together.counts) > 0
    for number, bucket in enumerate(together.counts[1:], 1):  # the first bucket may begin in mid-hour
        assert bucket.completed == sum(chart.counts[number].completed for chart in each)
    slowest = {d.at: d.processing_p95 for chart in each for d in chart.durations}
    assert {d.at for d in together.durations} <= set(slowest)


def test_a_week_shows_hours_whose_minutes_are_purged(database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        cursor.execute(DELTAS, {"count": 450})  # six days and some hours
    rollups.fold(database)
    with database.transaction() as cursor:  # now() stays the same, so no hour ends between the readings
        before = read_charts(cursor, SPANS["7d"])
        cursor.execute("DELETE FROM rollup_minutes WHERE minute < now() - interval '2 days'")
        after = read_charts(cursor, SPANS["7d"])
    assert sum(bucket.completed for bucket in after.counts) == 900
    assert after.counts == before.counts
    assert after.durations == before.durations

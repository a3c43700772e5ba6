"""Charts show idle time. A chart has every bucket of its time span. If nothing happened in a bucket, its counts are
zero."""

from datetime import timedelta
from itertools import pairwise

import pytest

from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from queue_store.readings.charts import SPANS, read_charts
from tests.support import filling


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("span", SPANS)
def test_idle_time_is_zero_and_no_bucket_is_missing(
    span: str, folded: bool, database: DatabaseManager
) -> None:
    filling.add_outcomes(database, minutes_ago=50, completed=10)
    filling.add_outcomes(database, minutes_ago=5, completed=10)
    if folded:
        rollups.fold(database)
    with database.transaction() as cursor:
        counts = read_charts(cursor, SPANS[span]).counts
    width = timedelta(seconds=SPANS[span].bucket_seconds)
    assert all(later.at - earlier.at == width for earlier, later in pairwise(counts))
    assert len(counts) >= SPANS[span].seconds // SPANS[span].bucket_seconds
    assert sum(bucket.completed for bucket in counts) == 20
    assert sum(bucket.completed > 0 for bucket in counts) <= 2


def test_a_flow_that_never_did_anything_is_idle_all_the_time(database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        counts = read_charts(cursor, SPANS["1h"], "nobody").counts
    assert {bucket.enqueued for bucket in counts} == {0}

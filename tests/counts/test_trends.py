"""Tests the readings of a flow's usual outcomes and of the growth of the load. Averages include the hours and days
without work."""

import pytest

from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from queue_store.readings.trends import read_baselines, read_days, renew_baselines
from queue_store.settings import ProcessorSettings
from tasks.monitoring.capacity import project_growth
from tests.support import filling
from tests.support.troubles import execute

HOUR_MINUTES = 60
DAY_MINUTES = 24 * HOUR_MINUTES
WEEK_MINUTES = 7 * DAY_MINUTES


def usual(database: DatabaseManager) -> tuple[float, int] | None:
    """Returns the usual number of outcomes in this hour of the week, and the number of weeks from which it was
    learned."""
    rollups.fold(database)
    with database.transaction() as cursor:
        renew_baselines(cursor)
        baseline = read_baselines(cursor).get("alpha")
    return baseline and (baseline.outcomes_per_hour, baseline.week_count)


def test_an_idle_hour_counts_in_a_week_in_which_the_flow_did_something(database: DatabaseManager) -> None:
    for weeks in (1, 3, 4):  # at this hour of the week
        filling.add_outcomes(database, minutes_ago=weeks * WEEK_MINUTES, completed=90)
    filling.add_outcomes(database, minutes_ago=2 * WEEK_MINUTES - 3 * DAY_MINUTES, completed=10)
    assert usual(database) == (67.5, 4)


def test_a_week_without_any_work_says_nothing(database: DatabaseManager) -> None:
    for weeks in (1, 3, 4):
        filling.add_outcomes(database, minutes_ago=weeks * WEEK_MINUTES, completed=90)
    assert usual(database) == (90, 3)


def test_hours_before_the_flow_was_there_do_not_count(database: DatabaseManager) -> None:
    filling.add_outcomes(database, minutes_ago=2 * WEEK_MINUTES - 3 * DAY_MINUTES, completed=10)
    filling.add_outcomes(database, minutes_ago=WEEK_MINUTES, completed=90)
    assert usual(database) == (90, 1)


def test_what_is_not_learned_again_is_forgotten(database: DatabaseManager) -> None:
    execute(
        database,
        "INSERT INTO baselines (flow_name, hour_of_week, outcomes_per_hour, week_count)"
        " SELECT name, hour, 1000, 5 FROM unnest(ARRAY['alpha', 'gone']) AS name, generate_series(0, 167) AS hour",
    )
    filling.add_outcomes(database, minutes_ago=WEEK_MINUTES, completed=30)
    assert usual(database) == (30, 1)
    with database.transaction() as cursor:
        assert cursor.execute("SELECT count(*) FROM baselines").fetchone() == (1,)


def test_days_without_work_are_days(database: DatabaseManager) -> None:
    """On each of five days a week, the flow gets 14 new records. The average is ten records a day."""
    for days_ago in range(1, 29):
        if days_ago % 7 not in (1, 2):
            filling.add_outcomes(database, minutes_ago=days_ago * DAY_MINUTES, enqueued=14, completed=14)
    filling.add_outcomes(database, minutes_ago=29 * DAY_MINUTES, enqueued=14, completed=14)
    rollups.fold(database)
    with database.transaction() as cursor:
        days = read_days(cursor, 28)
    assert (len(days), sum(day.enqueued == 0 for day in days)) == (28, 8)
    growth = project_growth(days, ProcessorSettings().capacity_rate_per_hour)
    assert growth["records_per_day"] == pytest.approx(10)
    assert growth["growth_per_day"] == pytest.approx(0, abs=0.01)


def test_nothing_is_known_of_days_before_the_first(database: DatabaseManager) -> None:
    """The first day with counts may be a part of a day: the queue was installed on that day, or earlier hours were
    purged."""
    filling.add_outcomes(database, minutes_ago=3 * DAY_MINUTES, enqueued=14, completed=14)
    filling.add_outcomes(database, minutes_ago=2 * DAY_MINUTES, enqueued=15, completed=15)
    rollups.fold(database)
    with database.transaction() as cursor:
        assert [day.enqueued for day in read_days(cursor, 28)] == [15, 0]
        assert [day.enqueued for day in read_days(cursor, 2)] == [15, 0]


def test_the_day_of_the_installation_is_no_growth(database: DatabaseManager) -> None:
    """The queue was installed at 23:00 UTC. Since then, it has received 400 records an hour."""
    execute(
        database,
        "INSERT INTO rollup_deltas (flow_name, at, enqueued, purged) SELECT 'alpha', hour, 400, 400"
        " FROM generate_series(date_trunc('day', now(), 'UTC') - interval '8 days 1 hour', now(), '1 hour') AS hour",
    )
    rollups.fold(database)
    with database.transaction() as cursor:
        days = read_days(cursor, 28)
    assert [day.enqueued for day in days] == [9_600] * 8
    growth = project_growth(days, 24 * 3_600)
    assert (growth["growth_per_day"], growth["days_until_limit"]) == (0, None)

"""Counts are kept by UTC hour, whatever the time zone of the session that folds or reads."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import queue_store
from queue_store import maintenance
from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from queue_store.readings.integrity import find_violations
from queue_store.readings.windows import read_window
from tests.support.servers import connect

ODD_HOURS = "Asia/Kathmandu"  # its hours begin at minute 15 of a UTC hour
DELTAS = """
INSERT INTO rollup_deltas (at, flow_name, enqueued, completed, errors)
SELECT date_trunc('hour', now(), 'UTC') - interval '3 hours' + n * interval '10 minutes', flow_name, 1, 1,
    jsonb_build_object('kind', jsonb_build_array(1, 1, 1, 'ValueError', 'no'))
FROM generate_series(0, 11) n, unnest(ARRAY['alpha', 'beta']) AS flow_name
"""
# Moves an hour of counts by 15 minutes, so that it overlaps two UTC hours. Older builds may have stored such hours.
AN_ODD_HOUR = """
UPDATE rollup_hours SET hour = hour + interval '15 minutes', completed = completed + 7
WHERE flow_name = 'alpha' AND hour = (SELECT min(hour) FROM rollup_hours)
"""


@pytest.fixture
def odd(clean_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseManager]:
    monkeypatch.setenv("PGTZ", ODD_HOURS)
    manager = connect(clean_database_url)
    assert value(manager, "SELECT current_setting('TimeZone')") == ODD_HOURS
    yield manager
    manager.dispose()


@pytest.fixture
def counted(odd: DatabaseManager) -> DatabaseManager:
    """Two flows, each with six records in each of two hours."""
    with odd.transaction() as cursor:
        cursor.execute(DELTAS)
    rollups.fold(odd)
    return odd


@pytest.mark.parametrize("table", ["rollup_hours", "error_hours"])
def test_a_session_with_odd_hours_folds_into_hours_of_utc(counted: DatabaseManager, table: str) -> None:
    with counted.transaction() as cursor:
        found = cursor.execute(
            f"SELECT extract(minute FROM hour AT TIME ZONE 'UTC')::int, count(*) FROM {table} GROUP BY 1".encode()  # noqa: S608
        ).fetchall()
    assert found == [(0, 4)]
    assert violations(counted) == []


@pytest.mark.parametrize("seconds", [2.5 * 3600, 26 * 3600])
def test_it_reads_the_same_counts_as_every_other(
    counted: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setenv("PGTZ", "UTC")
    plain = connect(clean_database_url)
    windows = []
    for manager in (counted, plain):
        with manager.transaction() as cursor:
            windows.append(read_window(cursor, seconds))
    plain.dispose()
    assert windows[0] == windows[1]
    assert windows[0].keys() == {"alpha", "beta"}


def test_an_odd_hour_of_an_older_build_hides_no_other_hour(counted: DatabaseManager) -> None:
    execute(counted, AN_ODD_HOUR)
    assert violations(counted) == []
    execute(counted, "UPDATE rollup_hours SET completed = completed - 1 WHERE flow_name = 'beta'")
    assert len(violations(counted)) == 2
    with maintenance.begin(counted, "repair", dry_run=False, actor="Olga") as run:
        assert maintenance.repair(run)["rollups_that_disagree"] == 2
    assert violations(counted) == []
    assert value(counted, "SELECT sum(completed) FROM rollup_hours WHERE flow_name = 'beta'") == 12
    assert value(counted, "SELECT sum(completed) FROM rollup_hours WHERE flow_name = 'alpha'") == 12 + 7


def test_no_statement_truncates_to_an_hour_or_a_day_of_its_session() -> None:
    place = Path(queue_store.__file__).parent
    texts = {file: file.read_text() for file in [*(place / "sql").rglob("*.sql"), *place.rglob("*.py")]}
    truncated = {file: len(re.findall(r"date_trunc\('(?:hour|day)'", text)) for file, text in texts.items()}
    assert sum(truncated.values()) > 10
    assert truncated == {file: text.count(", 'UTC')") for file, text in texts.items()}


def test_no_statement_subtracts_days_or_weeks_of_its_session() -> None:
    """When the clocks change, such a day does not have 24 hours."""
    place = Path(queue_store.__file__).parent / "sql"
    steps = [
        len(re.findall(r"make_interval\((?:days|weeks) =>", file.read_text()))
        for file in place.rglob("*.sql")
    ]
    assert len(steps) > 100
    assert sum(steps) == 0


def violations(database: DatabaseManager) -> list[str]:
    with database.transaction() as cursor:
        found = find_violations(cursor)
    return [violation.problem for violation in found if violation.check.name == "rollups_that_disagree"]


def execute(database: DatabaseManager, statement: str) -> None:
    with database.transaction() as cursor:
        cursor.execute(statement.encode())


def value(database: DatabaseManager, question: str) -> object:
    with database.transaction() as cursor:
        row = cursor.execute(question.encode()).fetchone()
    assert row is not None
    return row[0]

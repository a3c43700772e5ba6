"""Readings of the schedule step from entry to entry, so they do not read all occurrences that recurring records
leave."""

from collections.abc import Iterator
from typing import Any

import pytest

from queue_store.database.index_plans import index_plans
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.readings.maintenance_runs import read_maintenance_runs
from queue_store.readings.schedule import read_schedule
from queue_store.readings.schedule_and_audit import read_newest_occurrences
from tests.runs.test_claim_cost import buffers_in
from tests.support.servers import connect

ENTRIES = 20
FEW = (
    20 * ENTRIES
)  # a few pages of the index and of the table for each entry; the table has more than 1,000 pages
FILL = """
INSERT INTO schedule_occurrences (entry, due_at, state, taken_at, finished_at, take_number)
SELECT CASE WHEN e = 1 THEN 'retention' ELSE 'flow:flow ' || e END, due_at, state, due_at,
    CASE WHEN state <> 'due' THEN due_at + interval '1 minute' END, 1
FROM generate_series(0, 4999) n, generate_series(1, 20) e,
    LATERAL (SELECT now() - make_interval(
            mins => 10 * n * (1 + e % 3), days => CASE WHEN e % 7 = 0 THEN 40 ELSE 0 END) AS due_at,
        CASE WHEN n = 0 AND e % 5 = 0 THEN 'due' WHEN n < e % 4 THEN 'skipped' WHEN (n + e) % 11 = 0 THEN 'failed'
            ELSE 'finished' END AS state) one
WHERE e > 1 OR n < 100
"""
# The second-newest finished occurrence needed two tries, so it finished later than the newest one.
LATE = """
UPDATE schedule_occurrences SET state = 'finished', finished_at = now(), error_message = 'it waited'
WHERE entry = 'retention' AND due_at = (SELECT min(due_at) FROM (
    SELECT due_at FROM schedule_occurrences WHERE entry = 'retention' AND state = 'finished' ORDER BY 1 DESC LIMIT 2) t)
"""
FAILED = """
SELECT entry FROM (
    SELECT DISTINCT ON (entry) entry, state FROM schedule_occurrences
    WHERE state IN ('finished', 'failed') AND due_at > now() - interval '40 days' ORDER BY entry, due_at DESC) last
WHERE state = 'failed' ORDER BY entry
"""
NEWEST = """
SELECT n.entry, n.due_at, n.state, (SELECT max(finished_at) FROM schedule_occurrences o
    WHERE o.entry = n.entry AND o.state = 'finished')
FROM (SELECT DISTINCT ON (entry) * FROM schedule_occurrences ORDER BY entry, due_at DESC) n ORDER BY n.entry
"""
ERRORS = """
SELECT entry, taken_at, error_message FROM schedule_occurrences WHERE error_message IS NOT NULL ORDER BY 2 DESC
"""


@pytest.fixture(params=["statistics of a full table", "statistics of an empty table"])
def filled(own_database_url: str, request: pytest.FixtureRequest) -> Iterator[DatabaseManager]:
    manager = connect(own_database_url)
    with manager.transaction() as cursor:
        cursor.execute("ALTER TABLE schedule_occurrences SET (autovacuum_enabled = off)")
        cursor.execute("ANALYZE schedule_occurrences")
        cursor.execute(FILL)
        cursor.execute(LATE)
        if request.param == "statistics of a full table":
            cursor.execute("ANALYZE schedule_occurrences")
    yield manager
    manager.dispose()


def buffers(database: DatabaseManager, statement: str, parameters: dict[str, Any] | None = None) -> int:
    with database.transaction() as cursor, index_plans(cursor):
        rows = cursor.execute(b"EXPLAIN (ANALYZE, BUFFERS) " + sql(statement), parameters).fetchall()
    return buffers_in("\n".join(row[0] for row in rows))


def test_a_check_reads_few_pages_and_finds_each_entry_that_failed_last(filled: DatabaseManager) -> None:
    with filled.transaction() as cursor:
        failed = [entry for (entry,) in cursor.execute(FAILED).fetchall()]
        assert read_schedule(cursor).failed_entries == failed
    assert 0 < len(failed) < ENTRIES
    parameters = {"late_seconds": 600, "silent_seconds": 20, "control_queue": "control"}
    assert buffers(filled, "readings/schedule", parameters) < FEW


def test_the_page_reads_few_pages_and_shows_the_newest_occurrence_of_each_entry(
    filled: DatabaseManager,
) -> None:
    with filled.transaction() as cursor:
        newest = cursor.execute(NEWEST).fetchall()
        shown = [(r.entry, r.due_at, r.state, r.last_finished_at) for r in read_newest_occurrences(cursor)]
    assert shown == newest
    assert len(shown) == ENTRIES
    assert buffers(filled, "readings/newest_occurrences") < FEW


def test_the_history_of_maintenance_reads_no_occurrences_of_recurring_records(
    filled: DatabaseManager,
) -> None:
    with filled.transaction() as cursor:
        errors = cursor.execute(ERRORS).fetchall()
        shown = [(row[1], row[5], row[7]) for row in read_maintenance_runs(cursor, 50)]
    assert shown == errors
    assert len(shown) == 1
    assert buffers(filled, "maintenance/maintenance_runs", {"limit": 50}) < FEW

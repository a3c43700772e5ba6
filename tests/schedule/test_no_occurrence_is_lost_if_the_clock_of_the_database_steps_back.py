"""After a failover, the clock of the database can be behind the clock of the former primary. Stored occurrences whose
due times now lie in the future do not delay earlier due times, and no due time is used twice."""

from datetime import datetime, timedelta

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.schedule import occurrences, recurring
from tests.support import filling

HOUR = timedelta(hours=1)
AHEAD = timedelta(days=30)


@pytest.fixture
def now(database: DatabaseManager) -> datetime:
    """Before the failover, an hour-old occurrence and one in the future were stored for a flow and for an entry of
    beat."""
    filling.add_flow(database, "report")
    with database.transaction() as cursor:
        now = recurring.database_time(cursor)
        for due_at in (now - HOUR, now + AHEAD):
            recurring.enqueue_occurrence(cursor, "report", due_at, b"{}")
            occurrences.notice(cursor, "queue_health", due_at)
        cursor.execute("UPDATE schedule_occurrences SET state = 'finished' WHERE state = 'due'")
    return now


def enqueued(database: DatabaseManager, due_at: datetime) -> bool:
    with database.transaction() as cursor:
        return recurring.enqueue_occurrence(cursor, "report", due_at, b"{}") is not None


def due(database: DatabaseManager, due_at: datetime) -> list[datetime]:
    """Notices the due time for beat's entry. Returns the occurrences of this entry that are due."""
    with database.transaction() as cursor:
        occurrences.notice(cursor, "queue_health", due_at)
        rows = cursor.execute("SELECT due_at FROM schedule_occurrences WHERE state = 'due' ORDER BY 1")
        return [row[0] for row in rows.fetchall()]


def test_a_recurring_flow_gets_a_record_for_each_due_time(database: DatabaseManager, now: datetime) -> None:
    assert enqueued(database, now)
    assert not enqueued(database, now)
    assert not enqueued(database, now - HOUR)
    assert not enqueued(database, now - HOUR / 2)  # a newer occurrence is stored
    assert not enqueued(database, now + AHEAD)  # when this time comes, it has its record already


def test_an_entry_of_beat_is_due_at_each_due_time(database: DatabaseManager, now: datetime) -> None:
    assert due(database, now - HOUR / 2) == [now - HOUR / 2]
    assert due(database, now) == [now]
    assert due(database, now) == [now]
    assert due(database, now - HOUR / 2) == [now]
    assert due(database, now + AHEAD) == [now]


def test_a_small_step_repeats_nothing(database: DatabaseManager, now: datetime) -> None:
    """Clocks that NTP keeps differ by less than a minute."""
    a_moment_ahead = now + timedelta(seconds=30)
    assert enqueued(database, a_moment_ahead)
    assert not enqueued(database, now)
    assert due(database, a_moment_ahead) == [a_moment_ahead]
    assert due(database, now) == [a_moment_ahead]


def test_an_occurrence_whose_worker_died_before_the_step_is_taken_again(
    database: DatabaseManager, now: datetime
) -> None:
    assert due(database, now) == [now]
    assert occurrences.take(database, "queue_health", now) is not None
    with database.transaction() as cursor:
        cursor.execute(
            "UPDATE schedule_occurrences SET heartbeat_at = now() + %s, hinted_at = now() + %s", [HOUR, HOUR]
        )
    with database.transaction() as cursor:
        assert occurrences.to_hint(cursor) == [("queue_health", now)]
    assert occurrences.take(database, "queue_health", now) is not None

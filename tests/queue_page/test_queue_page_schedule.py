"""The schedule shows when each entry last ran and when it is due, for clock times and for plain intervals."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.readings.schedule_and_audit import read_beats
from queue_store.settings import ProcessorSettings
from tasks.app import app
from tasks.queue_page.arguments import Arguments
from tasks.queue_page.views import schedule_and_audit
from tasks.queue_page.views.request import ViewRequest
from tasks.schedule.scheduler import OccurrenceScheduler


@pytest.fixture
def scheduler(
    clean_database_url: str, database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OccurrenceScheduler]:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    scheduler = OccurrenceScheduler(app, lazy=True)
    scheduler.setup_schedule()
    assert scheduler.look()
    yield scheduler
    scheduler.database.dispose()


def tick(scheduler: OccurrenceScheduler, name: str) -> None:
    """Notes that a hint for the schedule entry was sent just now, as beat does after each hint."""
    scheduler.schedule[name] = next(scheduler.schedule[name])
    scheduler.look()


def shown(database: DatabaseManager) -> dict[str, dict[str, Any]]:
    with database.transaction() as cursor:
        answer = schedule_and_audit.schedule(ViewRequest(cursor, ProcessorSettings(), Arguments({}), app))
    return {entry["entry"]: entry for entry in answer["entries"]}


def test_a_beat_tells_when_it_last_hinted_a_plain_interval(
    scheduler: OccurrenceScheduler, database: DatabaseManager
) -> None:
    before = datetime.now(UTC)
    tick(scheduler, "fan_out")
    with database.transaction() as cursor:
        (beat,) = read_beats(cursor)
    assert list(beat.ticks) == ["fan_out"]
    assert datetime.fromisoformat(beat.ticks["fan_out"]) >= before


def test_a_plain_interval_was_last_hinted_and_is_due_one_interval_later(
    scheduler: OccurrenceScheduler, database: DatabaseManager
) -> None:
    assert shown(database)["alerts"]["last_at"] is None
    tick(scheduler, "alerts")
    entry = shown(database)["alerts"]
    assert abs(entry["last_at"] - datetime.now(UTC)) < timedelta(seconds=30)
    assert entry["next_at"] - entry["last_at"] == timedelta(seconds=60)


def test_a_time_of_the_clock_was_last_finished_and_is_due_in_the_future(
    scheduler: OccurrenceScheduler, database: DatabaseManager
) -> None:
    with database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO schedule_occurrences (entry, due_at, state, finished_at) VALUES"
            " ('queue_health', now() - interval '16 minutes', 'finished', now() - interval '15 minutes'),"
            " ('queue_health', now(), 'running', NULL)"  # newer than what the scheduler has seen
        )
    entry = shown(database)["queue_health"]
    assert entry["newest"].state == "running"
    assert datetime.now(UTC) - entry["last_at"] > timedelta(minutes=14)
    assert entry["next_at"] > datetime.now(UTC)

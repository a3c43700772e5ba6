"""If an entry is removed from the schedule, its open occurrence is skipped as soon as the occurrence is late. So the
finding `maintenance_late` does not stay because of an occurrence that no worker can do any more. The finding
`maintenance_failed` stays after a failed occurrence, until the runbook's statement ends it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from celery import Celery

from queue_store.database.manager import DatabaseManager
from queue_store.readings.schedule import LATE_SECONDS, read_schedule
from queue_store.schedule import occurrences
from tasks.app import app
from tasks.schedule.scheduler import OccurrenceScheduler
from tests.support.documents import code_blocks
from tests.support.troubles import execute

LATE, YOUNG = LATE_SECONDS + 10, LATE_SECONDS - 60


@pytest.fixture
def beat(
    clean_database_url: str, redis_client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OccurrenceScheduler]:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    redis_client.ping()
    with Celery("beat", broker=redis_url, set_as_current=False) as own:
        own.conf.beat_schedule = app.conf.beat_schedule
        beat = OccurrenceScheduler(own)
        yield beat
        beat.close()


def add(
    database: DatabaseManager, entry: str, state: str, due: float = LATE, heartbeat: float | None = None
) -> None:
    """Adds an occurrence that has been due for `due` seconds. Its worker sent the last heartbeat `heartbeat` seconds
    ago."""
    execute(
        database,
        "INSERT INTO schedule_occurrences (entry, due_at, state, take_number, heartbeat_at) VALUES"
        " (%(entry)s, now() - %(due)s::interval, %(state)s, 1, now() - %(heartbeat)s::interval)",
        entry=entry,
        state=state,
        due=timedelta(seconds=due),
        heartbeat=None if heartbeat is None else timedelta(seconds=heartbeat),
    )


def state(database: DatabaseManager, entry: str) -> str:
    with database.transaction() as cursor:
        row = cursor.execute(
            "SELECT state FROM schedule_occurrences WHERE entry = %s ORDER BY due_at LIMIT 1", (entry,)
        ).fetchone()
    assert row is not None
    return row[0]


def late_entries(database: DatabaseManager) -> list[str]:
    with database.transaction() as cursor:
        return read_schedule(cursor).late_entries


def failed_entries(database: DatabaseManager) -> list[str]:
    with database.transaction() as cursor:
        return read_schedule(cursor).failed_entries


@pytest.mark.parametrize(("state_before", "heartbeat"), [("due", None), ("due", LATE), ("running", LATE)])
def test_it_is_skipped_and_the_finding_ends(
    beat: OccurrenceScheduler, database: DatabaseManager, state_before: str, heartbeat: float | None
) -> None:
    add(database, "removed", state_before, heartbeat=heartbeat)
    assert late_entries(database) == ["removed"]
    assert beat.look()
    assert state(database, "removed") == "skipped"
    assert late_entries(database) == []


@pytest.mark.parametrize(
    ("state_before", "due", "heartbeat"),
    [("due", YOUNG, None), ("running", LATE, 1.0), ("due", LATE, 1.0), ("finished", LATE, LATE)],
)
def test_it_is_left_alone_while_a_worker_may_still_do_it(
    beat: OccurrenceScheduler,
    database: DatabaseManager,
    state_before: str,
    due: float,
    heartbeat: float | None,
) -> None:
    """During a deploy, some workers may still have the entry."""
    add(database, "removed", state_before, due, heartbeat)
    assert beat.look()
    assert state(database, "removed") == state_before


def test_entries_of_the_schedule_and_of_flows_are_left_alone(
    beat: OccurrenceScheduler, database: DatabaseManager
) -> None:
    """An entry with a plain interval is in the schedule, although beat stores no occurrences of it."""
    for entry in ("fan_out", "flow:letters"):
        add(database, entry, "due")
    assert beat.look()
    assert [state(database, entry) for entry in ("fan_out", "flow:letters")] == ["due", "due"]


def test_a_late_occurrence_of_an_entry_in_the_schedule_stays_due(
    beat: OccurrenceScheduler, database: DatabaseManager
) -> None:
    assert beat.look()  # stores the latest due time of each entry
    execute(database, "UPDATE schedule_occurrences SET state = 'due' WHERE entry = 'retention'")
    assert beat.look()
    assert state(database, "retention") == "due"


def test_a_beat_that_does_not_lead_skips_nothing(
    beat: OccurrenceScheduler, database: DatabaseManager
) -> None:
    add(database, "removed", "due")
    execute(
        database,
        "UPDATE beat_leader SET beat_id = gen_random_uuid(), leads_until = now() + interval '1 minute'",
    )
    assert not beat.look()
    assert state(database, "removed") == "due"


def test_a_worker_that_comes_back_cannot_change_it(
    beat: OccurrenceScheduler, database: DatabaseManager
) -> None:
    add(database, "removed", "due")
    with database.transaction() as cursor:
        row = cursor.execute("SELECT due_at FROM schedule_occurrences WHERE entry = 'removed'").fetchone()
    assert row is not None
    frozen = occurrences.take(database, "removed", row[0])
    assert frozen is not None
    execute(
        database,
        "UPDATE schedule_occurrences SET heartbeat_at = now() - interval '11 minutes' WHERE state = 'running'",
    )
    assert beat.look()
    with database.transaction() as cursor:
        assert not occurrences.beat(cursor, frozen)
        assert occurrences.finish(cursor, frozen) is None
    assert occurrences.take(database, "removed", row[0]) is None
    assert state(database, "removed") == "skipped"


def test_the_runbooks_statement_ends_the_finding_about_a_failed_one(
    beat: OccurrenceScheduler, database: DatabaseManager
) -> None:
    for entry in ("removed_entry", "retention"):
        add(database, entry, "failed")
    assert beat.look()
    assert failed_entries(database) == ["removed_entry", "retention"]
    (statement,) = (
        block.code for block in code_blocks("docs/runbook.md", "sql") if "'removed_entry'" in block.code
    )
    execute(database, statement)
    assert failed_entries(database) == ["retention"]
    assert state(database, "removed_entry") == "skipped"

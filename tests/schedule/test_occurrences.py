"""Several beats may notice an occurrence, but only one worker takes it. No occurrence is lost."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

import celeryconfig
from queue_store import maintenance
from queue_store.database.manager import DatabaseManager
from queue_store.errors import DatabaseUnavailableError
from queue_store.schedule import occurrences
from tasks.app import app
from tasks.schedule.due_time import is_kept
from tasks.schedule.run_occurrence import run_occurrence

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _begun(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch, clean_database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    notice(database, NOON - timedelta(days=1))  # the first occurrence of an entry is skipped


def notice(database: DatabaseManager, due_at: datetime, entry: str = "weekly") -> None:
    with database.transaction() as cursor:
        occurrences.notice(cursor, entry, due_at)


def execute(database: DatabaseManager, statement: str) -> None:
    with database.transaction() as cursor:
        cursor.execute(statement.encode())


def states(database: DatabaseManager) -> list[Any]:
    with database.transaction() as cursor:
        rows = cursor.execute("SELECT state FROM schedule_occurrences ORDER BY entry, due_at").fetchall()
    return [row[0] for row in rows]


def hints(database: DatabaseManager) -> list[tuple[str, datetime]]:
    with database.transaction() as cursor:
        return occurrences.to_hint(cursor)


def test_a_new_entry_does_not_make_up_for_the_past(database: DatabaseManager) -> None:
    assert states(database) == ["skipped"]
    assert hints(database) == []


def test_two_beats_notice_one_occurrence(database: DatabaseManager) -> None:
    notice(database, NOON)
    notice(database, NOON)
    assert states(database) == ["skipped", "due"]


def test_a_late_beat_does_not_bring_back_what_is_over(database: DatabaseManager) -> None:
    notice(database, NOON)
    notice(database, NOON - timedelta(hours=1))
    assert states(database) == ["skipped", "due"]


def test_several_missed_times_are_made_up_for_once(database: DatabaseManager) -> None:
    for hours in range(3):
        notice(database, NOON + timedelta(hours=hours))
    assert states(database) == ["skipped", "skipped", "skipped", "due"]


def test_it_is_hinted_again_until_it_is_taken(database: DatabaseManager) -> None:
    notice(database, NOON)
    assert hints(database) == [("weekly", NOON)]
    assert hints(database) == []
    execute(database, "UPDATE schedule_occurrences SET hinted_at = hinted_at - interval '31 seconds'")
    assert hints(database) == [("weekly", NOON)]
    assert occurrences.take(database, "weekly", NOON) is not None
    execute(database, "UPDATE schedule_occurrences SET hinted_at = hinted_at - interval '31 seconds'")
    assert hints(database) == []


def test_one_takes_it(database: DatabaseManager) -> None:
    notice(database, NOON)
    assert occurrences.take(database, "weekly", NOON) is not None
    assert occurrences.take(database, "weekly", NOON) is None


def test_two_of_one_entry_never_run_together(database: DatabaseManager) -> None:
    notice(database, NOON)
    first = occurrences.take(database, "weekly", NOON)
    assert first is not None
    notice(database, NOON + timedelta(hours=1))
    assert occurrences.take(database, "weekly", NOON + timedelta(hours=1)) is None
    with database.transaction() as cursor:
        assert occurrences.finish(cursor, first) == "finished"
    assert occurrences.take(database, "weekly", NOON + timedelta(hours=1)) is not None


def test_a_silent_taker_is_replaced_and_cannot_finish(database: DatabaseManager) -> None:
    notice(database, NOON)
    frozen = occurrences.take(database, "weekly", NOON)
    assert frozen is not None
    execute(
        database,
        "UPDATE schedule_occurrences SET heartbeat_at = heartbeat_at - interval '61 s',"
        " hinted_at = hinted_at - interval '61 s' WHERE state = 'running'",
    )
    assert hints(database) == [("weekly", NOON)]
    assert occurrences.take(database, "weekly", NOON) is not None
    with database.transaction() as cursor:
        assert not occurrences.beat(cursor, frozen)
        assert occurrences.finish(cursor, frozen) is None


@pytest.fixture
def weekly_task(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Exception]]:
    """The errors that the entry's task raises, one at each call. When no error is left, the task succeeds."""
    errors: list[Exception] = []

    @app.task(name="tests.weekly", shared=False)  # later Celery applications must not have this task
    def weekly() -> None:
        if errors:
            raise errors.pop()

    monkeypatch.setitem(app.conf.beat_schedule, "weekly", {"task": "tests.weekly", "schedule": 1.0})
    yield errors
    app.tasks.unregister("tests.weekly")


def test_a_task_that_fails_is_tried_again_and_then_given_up(
    database: DatabaseManager, weekly_task: list[Exception]
) -> None:
    notice(database, NOON)
    weekly_task += [ValueError(f"no {n}") for n in range(3)]
    assert [run_occurrence("weekly", NOON.isoformat()) for _ in range(4)] == ["due", "due", "failed", None]
    with database.transaction() as cursor:
        row = cursor.execute(
            "SELECT error_message FROM schedule_occurrences WHERE state = 'failed'"
        ).fetchone()
    assert row == ("ValueError: no 0",)


def test_a_killed_worker_does_not_lose_its_maintenance(database: DatabaseManager) -> None:
    """A worker is killed during maintenance. As long as its maintenance run counts as alive, each try only makes the
    occurrence due again. Such a try is not counted."""
    app.loader.import_default_modules()
    notice(database, NOON - timedelta(days=1), "retention")
    notice(database, NOON, "retention")
    assert occurrences.take(database, "retention", NOON) is not None
    killed = maintenance.begin(database, "purge_old_records", dry_run=False, actor="schedule")
    killed.__enter__()
    execute(
        database,
        "UPDATE schedule_occurrences SET heartbeat_at = now() - interval '61 s' WHERE state = 'running'",
    )
    for _ in range(occurrences.TRIES + 1):
        assert run_occurrence("retention", NOON.isoformat()) == "due"
    execute(database, "UPDATE maintenance_runs SET heartbeat_at = now() - interval '121 s'")
    assert run_occurrence("retention", NOON.isoformat()) == "finished"


def test_a_task_that_is_not_registered_fails_like_any_other(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.conf.beat_schedule, "weekly", {"task": "tests.nowhere", "schedule": 1.0})
    notice(database, NOON)
    assert [run_occurrence("weekly", NOON.isoformat()) for _ in range(4)] == ["due", "due", "failed", None]


def test_a_task_that_kills_every_worker_is_given_up(database: DatabaseManager) -> None:
    notice(database, NOON)
    for _ in range(occurrences.TRIES):
        assert occurrences.take(database, "weekly", NOON) is not None
        silence = "UPDATE schedule_occurrences SET heartbeat_at = now() - interval '61 s', hinted_at = NULL"
        execute(database, f"{silence} WHERE state = 'running'")
    assert hints(database) == []
    with database.transaction() as cursor:
        row = cursor.execute(
            "SELECT state, error_message FROM schedule_occurrences WHERE due_at = %s", (NOON,)
        ).fetchone()
    assert row is not None
    assert row[0] == "failed"
    assert "its worker fell silent in try 3, which was the last one" in row[1]


def test_a_task_that_failed_once_is_made_up_for(
    database: DatabaseManager, weekly_task: list[Exception]
) -> None:
    notice(database, NOON)
    weekly_task.append(ValueError("not yet"))
    assert run_occurrence("weekly", NOON.isoformat()) == "due"
    assert run_occurrence("weekly", NOON.isoformat()) == "finished"
    assert run_occurrence("weekly", NOON.isoformat()) is None


@pytest.mark.parametrize(
    "entry", [name for name, e in celeryconfig.beat_schedule.items() if is_kept(e["schedule"])]
)
def test_every_entry_of_the_schedule_can_be_done(database: DatabaseManager, entry: str) -> None:
    app.loader.import_default_modules()
    notice(database, NOON - timedelta(days=1), entry)
    notice(database, NOON, entry)
    assert run_occurrence(entry, NOON.isoformat()) == "finished"


def test_an_entry_that_was_removed_is_left_alone(database: DatabaseManager) -> None:
    notice(database, NOON)
    assert run_occurrence("removed", NOON.isoformat()) is None


def test_a_beat_that_freezes_inside_its_transaction_does_not_keep_the_lease(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queue_store.database.idle_in_transaction.FROZEN_SECONDS", 1.0)
    gone = (DatabaseUnavailableError, psycopg.errors.IdleInTransactionSessionTimeout)
    with database.hold() as frozen, pytest.raises(gone), frozen.transaction() as cursor:  # noqa: PT012
        assert occurrences.lead(cursor, uuid4(), "frozen", 1, 5.0)[0]
        with database.transaction() as other:
            assert occurrences.lead(other, uuid4(), "other", 2, 5.0)[0]
        cursor.execute("SELECT 1")


def test_one_beat_leads_until_it_leaves_or_its_lease_is_over(database: DatabaseManager) -> None:
    first, second = uuid4(), uuid4()

    def leads(beat_id: Any) -> bool:
        with database.transaction() as cursor:
            return occurrences.lead(cursor, beat_id, "host", 1, 600.0)[0]

    assert leads(first)
    assert not leads(second)
    assert leads(first)
    execute(database, "UPDATE beat_leader SET leads_until = now() - interval '1 second'")
    assert leads(second)
    assert not leads(first)
    with database.transaction() as cursor:
        occurrences.leave(cursor, second)
    assert leads(first)

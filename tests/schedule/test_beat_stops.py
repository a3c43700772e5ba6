"""Celery stops beat inside a signal handler, which may interrupt anything that beat does."""

import logging
import re

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.schedule import occurrences
from queue_store.settings import ProcessorSettings
from tasks.alerts.judging import judge_everything
from tasks.schedule.scheduler import OccurrenceScheduler
from tests.support import filling
from tests.support.pgbouncer import direct_only


@direct_only
def test_a_signal_in_the_middle_of_a_look_does_not_wait_for_the_row_that_the_look_holds(
    clean_database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    separator = "&" if "?" in clean_database_url else "?"
    monkeypatch.setenv("DATABASE_URL", f"{clean_database_url}{separator}options=-c%20lock_timeout%3D2s")
    from tasks.app import app

    scheduler = OccurrenceScheduler(app)
    scheduler.set_schedule({})
    scheduler.tick()
    interrupted = []

    def interrupt(cursor: object) -> list[tuple[str, object]]:
        interrupted.append(scheduler.close())
        return []

    monkeypatch.setattr(occurrences, "to_hint", interrupt)
    with caplog.at_level(logging.WARNING):
        scheduler.tick()
        scheduler.close()
    assert interrupted == [None]
    assert caplog.messages == []


def beat_findings(database: DatabaseManager) -> list[str]:
    """Messages about a silent beat, with N instead of the seconds, because a second may pass while the test looks."""
    findings = judge_everything(database, ProcessorSettings()).findings
    return [re.sub(r"\d+ s", "N s", f.message) for f in findings if f.code == "beat_silent"]


def test_a_first_deploy_may_start_beat_after_the_workers(database: DatabaseManager) -> None:
    never = ["Celery beat has never run: scheduled maintenance does not happen."]
    assert beat_findings(database) == never
    process = filling.add_worker_process(database)
    assert beat_findings(database) == []
    with database.transaction() as cursor:
        cursor.execute(
            "UPDATE worker_processes SET started_at = now() - interval '61 seconds'"
            " WHERE worker_process_id = %s",
            [process],
        )
    assert beat_findings(database) == never


def test_a_beat_that_stopped_in_order_has_time_to_start_again(
    database: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deploy stops beat and starts it again. If beat is not started again, the finding says so, and does not say that
    beat has never run."""
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    from tasks.app import app

    first, second = OccurrenceScheduler(app), OccurrenceScheduler(app)
    for scheduler in (first, second):
        scheduler.set_schedule({})
        scheduler.tick()
    first.close()
    second.close()
    for age, said in (
        (0, []),
        (50, []),
        (
            90,
            [
                "Celery beat was stopped N s ago and was not started again: scheduled maintenance does not happen."
            ],
        ),
    ):
        with database.transaction() as cursor:
            cursor.execute("UPDATE beats SET heartbeat_at = now() - make_interval(secs => %s)", [age])
        assert beat_findings(database) == said
    third = OccurrenceScheduler(app)
    third.set_schedule({})
    third.tick()
    assert beat_findings(database) == []
    with database.transaction() as cursor:
        cursor.execute("UPDATE beats SET heartbeat_at = now() - interval '25 seconds'")
        cursor.execute("DELETE FROM beats WHERE stopped_at IS NOT NULL")
    found = beat_findings(database)
    third.close()
    assert found == ["Celery beat has been silent for N s: scheduled maintenance does not happen."]

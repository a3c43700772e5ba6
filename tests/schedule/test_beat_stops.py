"""Celery stops beat inside a signal handler, which may interrupt anything that beat does."""

import logging

import pytest

from queue_store.schedule import occurrences
from tasks.schedule.scheduler import OccurrenceScheduler


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

"""`pass_time` enqueues a record of a recurring flow exactly when its time comes. The record is due at once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.schedules import crontab

from queue_store import QueueStoreError
from tasks import flow
from tasks.authoring.registry import empty_registry
from tasks.testing import QueueTester

HOUR = timedelta(hours=1)


@pytest.fixture
def tester(clean_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[QueueTester]:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    with empty_registry():
        tester = QueueTester()
        yield tester
        tester.close()


def send_report(payload: dict[str, Any]) -> str:
    return "sent"


def report_in(delta: timedelta, tester: QueueTester) -> None:
    """Declares and registers a flow that is due once a day. Its next due time is `delta` from now."""
    due_at = datetime.now(UTC) + delta
    flow(schedule=crontab(hour=due_at.hour, minute=due_at.minute))(send_report)
    assert tester.records("send_report") == []


def test_nothing_is_enqueued_before_its_time(tester: QueueTester) -> None:
    report_in(12 * HOUR, tester)
    for _ in range(3):
        tester.pass_time(timedelta(minutes=2))
    tester.pass_time(11 * HOUR)
    assert tester.records() == []


def test_each_day_gets_one_record_that_is_due_at_once(tester: QueueTester) -> None:
    report_in(12 * HOUR, tester)
    for day in range(1, 4):
        tester.pass_time(12 * HOUR)
        tester.drain()
        tester.pass_time(11 * HOUR)
        tester.drain()
        tester.pass_time(HOUR)
        assert [row.status for row in tester.records()] == ["completed"] * day
    age = datetime.now(UTC) - tester.records()[-1].scheduled_at
    assert 11 * HOUR < age < 13 * HOUR


def test_of_several_missed_times_only_the_latest_gets_a_record(tester: QueueTester) -> None:
    report_in(12 * HOUR, tester)
    tester.pass_time(timedelta(days=10))
    assert len(tester.records()) == 1


def test_another_tester_begins_with_the_time_of_the_clock(tester: QueueTester) -> None:
    report_in(12 * HOUR, tester)
    tester.pass_time(timedelta(days=3))
    other = QueueTester()
    other.pass_time(timedelta(minutes=2))
    assert other.records() == []
    other.close()


@pytest.mark.parametrize("delta", [timedelta(days=365 * 2_500), timedelta(days=365 * 7_990), timedelta.max])
def test_more_time_than_the_calendar_has_cannot_pass(tester: QueueTester, delta: timedelta) -> None:
    flow(send_report)
    record_id = tester.enqueue("send_report", {})
    scheduled_at = tester.record(record_id).scheduled_at
    with pytest.raises(QueueStoreError, match="more than the calendar has"):
        tester.pass_time(delta)
    assert tester.record(record_id).scheduled_at == scheduled_at


def test_without_records_the_schedules_stay_in_the_calendar_too(tester: QueueTester) -> None:
    report_in(12 * HOUR, tester)
    tester.pass_time(timedelta(days=365 * 4_000))
    with pytest.raises(QueueStoreError, match="more than the calendar has"):
        tester.pass_time(timedelta(days=365 * 4_000))

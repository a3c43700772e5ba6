"""The schedule of the Queue page shows an entry's next due time as beat and the workers calculate it. It also shows the
recurring flows, although Flower does not import their modules."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery import Celery
from celery.schedules import crontab, schedule

from queue_store.database.manager import DatabaseManager
from queue_store.schedule import recurring
from queue_store.settings import ProcessorSettings
from tasks.queue_page.arguments import Arguments
from tasks.queue_page.views import VIEWS
from tasks.queue_page.views.request import ViewRequest
from tasks.schedule.due_time import next_due
from tasks.schedule.enqueue_due import enqueue_due
from tests.support import filling
from tests.support.flow_runs import Worker

BERLIN = ZoneInfo("Europe/Berlin")
BEFORE_THE_CHANGE = datetime(2026, 10, 5, 12, tzinfo=UTC)
IN_THE_REPEATED_HOUR = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)


def report(payload: dict[str, Any]) -> None:
    """In these tests, this flow has a schedule."""


@pytest.fixture
def application() -> Celery:
    application = Celery("beat of a test")
    application.conf.update(timezone="Europe/Berlin")
    return application


def shown(database: DatabaseManager, application: Celery) -> dict[str, dict[str, Any]]:
    settings = ProcessorSettings(timezone="Europe/Berlin")
    with database.transaction() as cursor:
        answer = VIEWS["schedule"](ViewRequest(cursor, settings, Arguments({}), application))
    return {entry["entry"]: entry for entry in answer["entries"]}


@pytest.mark.parametrize(
    ("now", "table", "due_at"),
    [
        (
            BEFORE_THE_CHANGE,
            crontab(minute="0", hour="3", day_of_week="sunday"),
            datetime(2026, 10, 11, 1, tzinfo=UTC),
        ),
        (
            BEFORE_THE_CHANGE,
            crontab(minute="0", hour="3", day_of_month="1-7"),
            datetime(2026, 10, 6, 1, tzinfo=UTC),
        ),
        (
            BEFORE_THE_CHANGE,
            crontab(minute="0", hour="3", day_of_week="sunday", day_of_month="1-7"),
            datetime(2026, 11, 1, 2, tzinfo=UTC),
        ),
        (IN_THE_REPEATED_HOUR, crontab(minute="*/15"), datetime(2026, 10, 25, 1, 15, tzinfo=UTC)),
    ],
)
def test_a_crontab_is_due_when_beat_finds_it_due(
    now: datetime,
    table: crontab,
    due_at: datetime,
    database: DatabaseManager,
    application: Celery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recurring, "database_time", lambda _: now)
    application.conf.beat_schedule = {"mine": {"task": "mine", "schedule": table}}
    assert next_due(table, now, BERLIN) == due_at
    assert shown(database, application)["mine"]["next_at"] == due_at


def test_an_interval_may_be_a_timedelta(database: DatabaseManager, application: Celery) -> None:
    every = timedelta(minutes=5)
    application.conf.beat_schedule = {
        "plain": {"task": "mine", "schedule": every},
        "relative": {"task": "mine", "schedule": every, "relative": True},
        "number": {"task": "mine", "schedule": 300},
    }
    found = shown(database, application)
    assert {entry["when"] for entry in found.values()} == {"every 300 s"}
    assert found["plain"]["next_at"] is None  # no beat has sent a hint yet
    next_at = found["relative"]["next_at"]
    assert next_at.timestamp() % 300 == 0
    assert timedelta(0) < next_at - datetime.now(UTC) <= every


@pytest.mark.parametrize(
    ("declared", "when"),
    [
        (crontab(minute="0", hour="3"), "0 3 * * *"),
        (crontab(minute={30, 0}, hour=[3], day_of_week="mon-fri"), "0,30 3 * * mon-fri"),
        (crontab(minute="*/15", hour="*/2"), "*/15 */2 * * *"),
        (schedule(timedelta(minutes=5)), "every 300 s"),
    ],
)
def test_a_recurring_flow_is_in_the_schedule(
    declared: crontab | schedule,
    when: str,
    worker: Worker,
    application: Celery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flow = worker.declare(report, schedule=declared)
    for now in (BEFORE_THE_CHANGE, IN_THE_REPEATED_HOUR):
        monkeypatch.setattr(recurring, "database_time", lambda _, now=now: now)
        entry = shown(worker.services.database, application)["flow:report"]
        assert (entry["when"], entry["newest"]) == (when, None)
        assert entry["next_at"] == next_due(declared, now, BERLIN)
    monkeypatch.undo()
    enqueue_due(worker.services.database, [flow], worker.services.settings)
    assert shown(worker.services.database, application)["flow:report"]["newest"].state == "skipped"


def test_a_flow_that_older_workers_registered_shows_what_they_declared(
    database: DatabaseManager, application: Celery
) -> None:
    filling.add_flow(database, "report", declared='{"schedule": "<crontab: 0 3 * * * (m/h/dM/MY/d)>"}')
    entry = shown(database, application)["flow:report"]
    assert (entry["when"], entry["next_at"]) == ("<crontab: 0 3 * * * (m/h/dM/MY/d)>", None)


def test_an_entry_without_schedule_is_not_in_the_schedule_any_more(
    worker: Worker, application: Celery
) -> None:
    flow = worker.declare(report, schedule=crontab())
    enqueue_due(worker.services.database, [flow], worker.services.settings)
    worker.declare(report)
    entry = shown(worker.services.database, application)["flow:report"]
    assert (entry["when"], entry["next_at"]) == ("not in the schedule any more", None)

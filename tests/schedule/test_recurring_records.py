"""A recurring flow gets exactly one record for each occurrence, however many processes check for due occurrences,
and however often."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import crontab, schedule
from click.testing import CliRunner

from queue_store.schedule import recurring
from tasks.authoring import registry
from tasks.authoring.flow import Flow
from tasks.cli import main
from tasks.schedule.due_time import latest_due, next_due
from tasks.schedule.enqueue_due import enqueue_due
from tests.support.flow_runs import Worker

UTC_ZONE = ZoneInfo("UTC")


def nightly(payload: dict[str, Any]) -> None:
    """In these tests, this flow runs at every full minute."""


@pytest.fixture
def flow(worker: Worker) -> Flow:
    return worker.declare(nightly, schedule=crontab(), schedule_payload={"report": "daily"})


def look(worker: Worker, flow: Flow) -> list[int]:
    return enqueue_due(worker.services.database, [flow], worker.services.settings)


def pass_minutes(worker: Worker, minutes: int) -> None:
    """Simulates that minutes pass: moves the due times of all occurrences into the past."""
    worker.query(
        "UPDATE schedule_occurrences SET due_at = due_at - make_interval(mins => %(minutes)s)",
        minutes=minutes,
    )


def test_a_new_flow_begins_with_its_next_time(worker: Worker, flow: Flow) -> None:
    assert look(worker, flow) == []
    pass_minutes(worker, 1)
    assert len(look(worker, flow)) == 1


def test_an_occurrence_becomes_one_record_however_often_somebody_looks(worker: Worker, flow: Flow) -> None:
    look(worker, flow)
    pass_minutes(worker, 3)
    record_ids = look(worker, flow) + look(worker, flow) + look(worker, flow)
    assert len(record_ids) <= 2  # a minute may have passed
    row = worker.rows(record_ids)[0]
    assert row.payload == {"report": "daily"}
    assert row.scheduled_at.second == 0
    assert row.scheduled_at <= row.created_at


def test_missed_occurrences_are_made_up_for_once(worker: Worker, flow: Flow) -> None:
    look(worker, flow)
    pass_minutes(worker, 60 * 24)
    assert len(look(worker, flow)) == 1


def test_many_that_look_at_once_enqueue_one_record(worker: Worker, flow: Flow) -> None:
    due_at = datetime(2026, 11, 23, 3, tzinfo=UTC)
    with worker.services.database.transaction() as cursor:
        recurring.enqueue_occurrence(cursor, "nightly", datetime(2026, 11, 22, 3, tzinfo=UTC), b"{}")
    barrier = threading.Barrier(6)
    record_ids: list[int | None] = []

    def enqueue() -> None:
        with worker.services.database.transaction() as cursor:
            barrier.wait(30)
            record_ids.append(recurring.enqueue_occurrence(cursor, "nightly", due_at, b"{}"))

    threads = [threading.Thread(target=enqueue) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([record_id for record_id in record_ids if record_id]) == 1
    assert worker.statuses() == {"pending": 1}


def test_a_clock_that_is_behind_enqueues_nothing(worker: Worker, flow: Flow) -> None:
    instants = [datetime(2026, 11, day, 3, tzinfo=UTC) for day in (20, 22, 21)]
    with worker.services.database.transaction() as cursor:
        made = [recurring.enqueue_occurrence(cursor, "nightly", at, b"{}") is not None for at in instants]
    assert made == [False, True, False]


def test_the_record_and_its_occurrence_are_one_transaction(worker: Worker, flow: Flow) -> None:
    look(worker, flow)
    pass_minutes(worker, 1)
    with pytest.raises(RuntimeError), worker.services.database.transaction() as cursor:  # noqa: PT012
        assert recurring.enqueue_occurrence(cursor, "nightly", datetime.now(UTC), b"{}")
        raise RuntimeError("killed before COMMIT")
    assert len(look(worker, flow)) == 1


def test_recurring_records_pass_while_producers_are_stopped(worker: Worker, flow: Flow) -> None:
    look(worker, flow)
    pass_minutes(worker, 1)
    worker.query("UPDATE queue_control SET ingestion_stopped_at = now()")
    assert len(look(worker, flow)) == 1


@pytest.mark.parametrize(
    ("when", "now", "latest", "following"),
    [
        (crontab(minute="0", hour="3"), "2026-11-23T12:00", "2026-11-23T03:00", "2026-11-24T03:00"),
        (crontab(minute="0", hour="0", day_of_month="29", month_of_year="2"), "2026-11-23T12:00", "2024-02-29T00:00",
         "2028-02-29T00:00"),
        (crontab(minute="*/15"), "2026-11-23T12:15", "2026-11-23T12:15", "2026-11-23T12:30"),
        (schedule(600), "2026-11-23T12:15", "2026-11-23T12:10", "2026-11-23T12:20"),
    ],
)  # fmt: skip
def test_times_are_those_of_the_clock(when: Any, now: str, latest: str, following: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert latest_due(when, at, UTC_ZONE) == datetime.fromisoformat(latest).replace(tzinfo=UTC)
    assert next_due(when, at, UTC_ZONE) == datetime.fromisoformat(following).replace(tzinfo=UTC)


@pytest.fixture
def only_this_flow(flow: Flow) -> Iterator[None]:
    with registry.empty_registry():
        registry.register(flow)
        yield


@pytest.mark.usefixtures("only_this_flow")
def test_queuectl_shows_the_last_and_the_next_time(
    worker: Worker, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_FLOW_MODULES", ",")
    look(worker, flow)
    pass_minutes(worker, 1)
    look(worker, flow)
    result = CliRunner().invoke(main, ["schedule", "--json"])
    assert result.exit_code == 0, result.output
    shown = json.loads(result.output)
    assert [row["flow_name"] for row in shown] == ["nightly"]
    assert shown[0]["last_at"] < shown[0]["next_at"]


def test_a_flow_that_cannot_be_enqueued_keeps_no_other_from_it(worker: Worker, flow: Flow) -> None:
    look(worker, flow)
    pass_minutes(worker, 1)
    broken = replace(flow, name="broken", schedule=schedule(0))
    flows = [broken, flow]
    assert len(enqueue_due(worker.services.database, flows, worker.services.settings)) == 1

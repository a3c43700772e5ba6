"""If beat runs and no worker serves the Celery queue `control`, the Redis list of this queue stays bounded, and there
is a finding."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from queue_store.alerting.findings import Finding
from queue_store.database.manager import DatabaseManager
from queue_store.enqueueing.hints import MAXIMUM_QUEUE_LENGTH
from queue_store.queue_schema import celery_queue_name
from queue_store.readings.schedule import read_schedule
from queue_store.settings import ProcessorSettings
from tasks.app import app
from tasks.monitoring.broker import read_broker
from tasks.monitoring.rules import judge
from tasks.monitoring.snapshot import take_snapshot
from tasks.schedule.scheduler import OccurrenceScheduler
from tests.support import filling
from tests.support.troubles import execute
from tests.workers.processes import running_beat, running_worker, wait_until

CONTROL = celery_queue_name("control")


@pytest.fixture
def scheduler(
    clean_database_url: str, redis_client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OccurrenceScheduler]:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    monkeypatch.setattr(app.conf, "broker_url", redis_url)
    with Celery("beat", broker=redis_url, set_as_current=False) as own:
        own.conf.beat_schedule = app.conf.beat_schedule
        scheduler = OccurrenceScheduler(own)
        yield scheduler
        scheduler.close()


def test_beat_sends_nothing_more_to_a_list_that_is_long(
    scheduler: OccurrenceScheduler, redis_client: redis.Redis, database: DatabaseManager
) -> None:
    entry = scheduler.schedule["fan_out"]
    for _ in range(MAXIMUM_QUEUE_LENGTH + 50):
        scheduler.apply_entry(entry)
    assert redis_client.llen(CONTROL) == MAXIMUM_QUEUE_LENGTH
    execute(
        database,
        "INSERT INTO schedule_occurrences (entry, due_at, state, take_number)"
        " VALUES ('retention', now(), 'due', 0)",
    )
    scheduler.look()
    assert redis_client.llen(CONTROL) == MAXIMUM_QUEUE_LENGTH
    redis_client.ltrim(CONTROL, 1, -1)
    scheduler.apply_entry(entry)
    assert redis_client.llen(CONTROL) == MAXIMUM_QUEUE_LENGTH


def test_a_long_list_is_a_finding_although_it_is_served(
    scheduler: OccurrenceScheduler, database: DatabaseManager
) -> None:
    for _ in range(MAXIMUM_QUEUE_LENGTH):
        scheduler.apply_entry(scheduler.schedule["fan_out"])
    add_beat(database)
    filling.add_worker_process(database, celery_queues=[CONTROL])
    (finding,) = found(database)
    assert f"200 messages wait in the Celery queue {CONTROL}" in finding.message


@pytest.mark.parametrize(
    ("beat_started_minutes_ago", "last_worker", "is_found"),
    [
        (2, None, True),
        (0, None, False),  # the worker may still be starting
        (2, {"state": "running"}, False),
        (2, {"state": "ended", "ended_seconds_ago": 30}, False),  # a deploy
        (2, {"state": "ended", "ended_seconds_ago": 70}, True),
        (2, {"state": "dead", "ended_seconds_ago": 70}, True),
        (0, {"state": "ended", "ended_seconds_ago": 7_000}, False),  # beat has just been started again
    ],
)
def test_nobody_serves_it(
    database: DatabaseManager,
    beat_started_minutes_ago: float,
    last_worker: dict[str, Any] | None,
    is_found: bool,
) -> None:
    add_beat(database, minutes=beat_started_minutes_ago)
    filling.add_worker_process(database, celery_queues=["flows"])
    if last_worker is not None:
        add_control_worker(database, **last_worker)
    findings = found(database)
    assert [f.code for f in findings] == ["control_queue"] * is_found
    for finding in findings:
        assert f"No worker has served the Celery queue {CONTROL} for " in finding.message
        assert finding.figure is not None
        assert finding.figure > (finding.threshold or 0)
        assert "-Q control" in finding.next_step


def test_without_a_beat_that_is_the_finding(database: DatabaseManager) -> None:
    filling.add_worker_process(database, celery_queues=["flows"])
    assert found(database) == []


@pytest.mark.timeout(120)
def test_with_real_processes(
    database: DatabaseManager, settings_environment: dict[str, str], tmp_path: Path
) -> None:
    with running_beat(settings_environment, tmp_path / "beat.log"):
        wait_until(lambda: unserved_seconds(database) is not None, "beat")
        execute(database, "UPDATE beats SET started_at = started_at - interval '2 minutes'")
        assert [f.code for f in found(database)] == ["control_queue"]
        with running_worker(settings_environment, tmp_path / "worker.log", queues="control", concurrency=1):
            wait_until(lambda: (unserved_seconds(database) or 0) < 10, "the worker")
            assert found(database) == []


def add_beat(database: DatabaseManager, minutes: float = 2) -> None:
    execute(
        database,
        "INSERT INTO beats (beat_id, hostname, pid, started_at, heartbeat_at)"
        " VALUES (gen_random_uuid(), 'beat', 1, now() - %(age)s, now())",
        age=timedelta(minutes=minutes),
    )


def add_control_worker(database: DatabaseManager, state: str, ended_seconds_ago: float = 0) -> None:
    process = filling.add_worker_process(database, celery_queues=[CONTROL])
    if state != "running":
        execute(
            database,
            "UPDATE worker_processes SET state = %(state)s, ended_at = now() - %(age)s, heartbeat_at = now() - %(age)s"
            " WHERE worker_process_id = %(process)s",
            state=state,
            age=timedelta(seconds=ended_seconds_ago),
            process=process,
        )


def unserved_seconds(database: DatabaseManager) -> float | None:
    with database.transaction() as cursor:
        return read_schedule(cursor).control_unserved_seconds


def found(database: DatabaseManager) -> list[Finding]:
    with database.transaction() as cursor:
        schedule = read_schedule(cursor)
    snapshot = replace(take_snapshot(database, ProcessorSettings()), schedule=schedule, broker=read_broker())
    return judge(snapshot, ["control_queue"])

"""Large readings come from the replica. A replica may lag, so it never decides which processes are alive."""

import importlib
import json
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from queue_store.database.manager import DatabaseManager
from queue_store.explain import explain_record
from queue_store.readings.activity import read_held_snapshots
from queue_store.settings import ProcessorSettings
from tasks.cli import main
from tasks.metrics.collector import QueueCollector
from tests.support.cleaning import DatabaseCleaner
from tests.support.filling import (
    add_flow,
    add_outcomes,
    add_processing,
    add_records,
    add_run,
    add_worker_process,
)
from tests.support.replica import Pair, running_pair
from tests.workers.processes import wait_until

follow = importlib.import_module("tasks.cli.follow")
SETTINGS = ProcessorSettings(heartbeat_seconds=0.1, lease_seconds=0.5)


@pytest.fixture(scope="module")
def started_pair() -> Iterator[tuple[Pair, DatabaseCleaner]]:
    with running_pair() as pair:
        cleaner = DatabaseCleaner(pair.primary.url())
        cleaner.remember_seeds()
        yield pair, cleaner


@pytest.fixture
def pair(started_pair: tuple[Pair, DatabaseCleaner], monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    pair, cleaner = started_pair
    cleaner.clean()
    pair.go_on()
    for name, value in pair.settings().items():
        monkeypatch.setenv(name, value)
    yield pair
    pair.go_on()


@pytest.fixture
def database(pair: Pair) -> Iterator[DatabaseManager]:
    manager = pair.database()
    yield manager
    manager.dispose()


def scrape(database: DatabaseManager) -> dict[str, float]:
    """The value of each metric, by name. If a metric has labels, its values are added up."""
    registry = CollectorRegistry()
    registry.register(QueueCollector(database, SETTINGS))
    values: dict[str, float] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            values[sample.name] = values.get(sample.name, 0) + sample.value
    return values


def call(*arguments: str) -> str:
    result = CliRunner().invoke(main, list(arguments), env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output + result.stderr
    return result.output


def test_a_replica_that_is_late_makes_no_worker_look_dead(pair: Pair, database: DatabaseManager) -> None:
    add_flow(database)
    pair.go_on()
    pair.hold_back()
    add_worker_process(database)
    add_records(database, 3)
    values = scrape(database)
    assert values["processing_queue_worker_processes"] == 1
    assert values["processing_queue_due_records"] == 0  # the replica does not have them yet
    wait_until(lambda: scrape(database)["processing_queue_replica_lag_seconds"] > 0.2, "a lag that is told")
    assert "1 worker process alive" in (top := call("top", "--times", "1"))
    assert "behind" in top
    assert "no_worker_alive" not in call("follow", "alpha", "--times", "1")
    assert "no_worker_alive" not in call("explain", "--flow", "alpha")
    pair.go_on()
    assert scrape(database)["processing_queue_due_records"] == 3


def test_a_flow_that_the_replica_does_not_have_yet_is_followed(pair: Pair, database: DatabaseManager) -> None:
    pair.hold_back()
    add_flow(database)
    add_records(database, 3)
    assert "3 pending, 0 processing" in call("follow", "alpha", "--times", "1")
    assert json.loads(call("follow", "alpha", "--times", "1", "--json"))["pending"] == 3
    assert "alpha" in call("top", "--flow", "alpha", "--times", "1")


@pytest.mark.parametrize("status", ["pending", "processing"])
def test_follow_ends_only_when_the_primary_has_no_record_left(
    status: str, pair: Pair, database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    def finish(seconds: float) -> None:
        slept.append(seconds)
        with database.transaction() as cursor:
            cursor.execute("DELETE FROM processing_queue")

    monkeypatch.setattr(follow, "time", SimpleNamespace(sleep=finish, strftime=time.strftime))
    add_flow(database)
    pair.go_on()
    pair.hold_back()
    if status == "pending":
        add_records(database, 3)
    else:
        add_processing(database, 3, add_run(database))
    assert call("follow", "alpha", "--until-empty").count("0 pending, 0 processing") == 2
    assert len(slept) == 1


def test_the_report_and_tail_read_from_the_replica(pair: Pair, database: DatabaseManager) -> None:
    add_flow(database)
    pair.go_on()
    pair.hold_back()
    add_outcomes(database, completed=40, minutes_ago=0)
    assert "| alpha | 0 | 0 |" in call("report", "--format", "markdown")
    assert call("tail", "--times", "1") == ""
    pair.go_on()
    assert "| alpha | 0 | 40 |" in call("report", "--format", "markdown")


def test_the_server_and_its_connections_are_the_primarys(pair: Pair, database: DatabaseManager) -> None:
    with database.hold(), database.hold():
        assert scrape(database)["processing_queue_server_connections"] >= 2


def test_a_standby_that_holds_back_vacuum_is_seen(pair: Pair, database: DatabaseManager) -> None:
    with database.hold(replica=True) as held, held.transaction() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT count(*) FROM flows")

        def transactions() -> float:
            add_records(database, 1)
            return scrape(database)["processing_queue_held_snapshot_age_transactions"]

        wait_until(lambda: transactions() > 20, "the standby's snapshot")
        with database.transaction() as primary:
            held_snapshots = read_held_snapshots(primary)
    assert [(s.kind, s.seconds) for s in held_snapshots] == [("standby", None)]
    assert "standby" in held_snapshots[0].holder


def test_without_the_replica_everything_else_is_told(pair: Pair, database: DatabaseManager) -> None:
    add_flow(database)
    pair.replica.stop()
    try:
        values = scrape(database)
    finally:
        pair.replica.start()
    assert (values["processing_queue_up"], values["processing_queue_replica_up"]) == (1, 0)
    assert "processing_queue_records" not in values
    assert "processing_queue_worker_processes" in values


def test_when_rescue_is_due_is_not_judged_by_the_replicas_own_start(
    pair: Pair, database: DatabaseManager
) -> None:
    add_flow(database)
    run = add_run(database)
    add_processing(database, 1, run)
    with database.transaction() as cursor:
        cursor.execute(
            "UPDATE flow_execution_logs SET heartbeat_at = (SELECT pg_postmaster_start_time() - interval '1 hour')"
        )
        row = cursor.execute("SELECT max(id) FROM processing_queue").fetchone()
    assert row is not None
    pair.go_on()
    record_id: Any = row[0]
    with database.transaction(replica=True) as cursor:
        reason = explain_record(cursor, SETTINGS, record_id).reasons[0]
        started = cursor.execute("SELECT pg_postmaster_start_time()").fetchone()
    assert reason.code == "owner_silent"
    assert started is not None
    assert reason.until is not None
    assert reason.until < started[0]

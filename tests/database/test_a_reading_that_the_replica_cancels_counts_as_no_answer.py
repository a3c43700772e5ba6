"""If a replica cancels a reading, because the reading conflicts with changes from the primary, all callers go on as if
the replica were away."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry, generate_latest
from psycopg import Cursor

from queue_store.database.bounded_read import bounded_read
from queue_store.database.manager import DatabaseManager
from queue_store.errors import ConflictError, DatabaseUnavailableError
from queue_store.settings import ProcessorSettings
from tasks.cli import main
from tasks.metrics.collector import QueueCollector
from tests.support.filling import add_flow, add_outcomes
from tests.support.flower_process import FlowerProcess, environment
from tests.support.replica import CANCELS_READINGS, Pair, running_pair
from tests.support.store import in_background
from tests.workers.processes import wait_until

CANCELLED = "the replica cancelled this reading"
SLOW = "SELECT count(*) FROM pg_class, pg_sleep(60)"
ACTIVE = "SELECT FROM pg_stat_activity WHERE query = %s AND state = 'active' AND backend_xmin IS NOT NULL"
LOCKED = "SELECT FROM pg_locks WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' AND granted"
WAITS = "SELECT FROM pg_locks WHERE NOT granted"


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair(replica_settings=CANCELS_READINGS) as pair:
        database = pair.database()
        add_flow(database)
        add_outcomes(database, completed=40, minutes_ago=0)
        database.dispose()
        yield pair


@pytest.fixture
def database(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseManager]:
    for name, value in pair.settings().items():
        monkeypatch.setenv(name, value)
    manager = pair.database()
    yield manager
    manager.dispose()


@pytest.fixture
def _cancelled(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the replica end each reading of this process."""
    whole = DatabaseManager.transaction

    @contextmanager
    def transaction(manager: DatabaseManager, *, replica: bool = False) -> Iterator[Cursor[Any]]:
        with whole(manager, replica=replica) as cursor:
            if replica:
                pair.end_reading(cursor)
            yield cursor

    monkeypatch.setattr(DatabaseManager, "transaction", transaction)


def is_true_on_the_replica(pair: Pair, question: str, *arguments: str) -> bool:
    """Asks in another database, so that the replica does not cancel this query, too."""
    with psycopg.connect(pair.replica.url("template1")) as connection:
        return connection.execute(question.encode(), arguments).fetchone() is not None


def test_a_statement_that_the_replica_cancels(pair: Pair, database: DatabaseManager) -> None:
    def read() -> None:
        with bounded_read(database, replica=True, timeout_seconds=60) as cursor:
            cursor.execute(SLOW.encode())

    reading = in_background(read)
    wait_until(lambda: is_true_on_the_replica(pair, ACTIVE, SLOW), "a reading")
    pair.remove_rows()
    with pytest.raises(DatabaseUnavailableError, match=CANCELLED) as raised:
        reading.result(20)
    assert "canceling statement due to conflict with recovery" in str(raised.value)
    assert "hot_standby_feedback" in str(raised.value)


def test_a_session_that_the_replica_ends_between_two_statements(
    pair: Pair, database: DatabaseManager
) -> None:
    def read() -> None:
        with bounded_read(database, replica=True) as cursor:
            pair.end_reading(cursor)
            cursor.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailableError):
        read()
    with bounded_read(database, replica=True) as cursor:  # in another session
        assert cursor.execute("SELECT 1").fetchall() == [(1,)]


def test_a_session_that_the_replica_ends_before_the_end_of_the_reading(
    pair: Pair, database: DatabaseManager
) -> None:
    with pytest.raises(DatabaseUnavailableError), bounded_read(database, replica=True) as cursor:
        pair.end_reading(cursor)


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_only_the_replica_cancels_readings(database: DatabaseManager, state: str) -> None:
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '{state}'; END $$".encode()
    with pytest.raises(DatabaseUnavailableError, match=CANCELLED), bounded_read(database, replica=True) as c:
        c.execute(raising)
    with pytest.raises(ConflictError), bounded_read(database) as c:
        c.execute(raising)


@pytest.mark.usefixtures("_cancelled")
def test_the_metrics_lack_only_the_counts_of_records(database: DatabaseManager) -> None:
    registry = CollectorRegistry()
    registry.register(QueueCollector(database, ProcessorSettings()))
    lines = generate_latest(registry).decode().splitlines()
    assert {"processing_queue_up 1.0", "processing_queue_replica_up 0.0"} <= set(lines)
    assert not any(line.startswith("processing_queue_records{") for line in lines)


@pytest.mark.usefixtures("_cancelled", "database")
def test_what_can_be_read_from_the_primary_is_read_there() -> None:
    capacity = CliRunner().invoke(main, ["capacity", "--json"])
    assert "the replica did not answer" in json.loads(capacity.stdout)["replica_problem"]
    checked = CliRunner().invoke(main, ["check", "--performance", "--json"])
    assert checked.exit_code != 3
    performance = json.loads(checked.stdout)["performance"]
    assert "the replica did not answer" in performance["replica_problem"]
    assert "alpha" in performance["flows"]


@pytest.mark.usefixtures("_cancelled", "database")
@pytest.mark.parametrize(
    "command",
    ["report", "top --times 1", "tail --times 1", "follow alpha --times 1"],
)
def test_other_commands_end_as_without_the_replica(command: str) -> None:
    ended = CliRunner().invoke(main, command.split())
    assert ended.exit_code == 3
    assert "cannot be used" in ended.output
    assert "call again" not in ended.output


@pytest.mark.timeout(120)
def test_the_page_says_that_the_database_cannot_be_reached(
    pair: Pair, database: DatabaseManager, redis_url: str, tmp_path: Path
) -> None:
    """A migration locks two tables, one after the other. The page's query already holds its lock on the second
    table, and waits for the first."""
    flower = FlowerProcess(environment(pair.primary.url(), redis_url) | pair.settings(), tmp_path / "log")
    try:
        flower.wait()
        with psycopg.connect(pair.primary.url()) as migration:
            migration.execute("LOCK TABLE rollup_progress IN ACCESS EXCLUSIVE MODE")
            migration.execute("SELECT pg_switch_wal()")  # sends the lock to the replica before the COMMIT
            wait_until(lambda: is_true_on_the_replica(pair, LOCKED), "a lock")
            asking = in_background(lambda: flower.ask("/queue/api/failures"))
            wait_until(lambda: is_true_on_the_replica(pair, WAITS), "a reading that waits")
            migration.execute("LOCK TABLE error_hours IN ACCESS EXCLUSIVE MODE")
            migration.execute("SELECT pg_switch_wal()")
            answer = asking.result(20)
        assert (answer.status, "slow, or cannot be reached" in answer.json["error"]) == (503, True)
    finally:
        flower.stop()

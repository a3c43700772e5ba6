"""Maintenance counts as alive while one of its statements works for minutes. During this time, no session of the
maintenance is idle in a transaction, and other maintenance runs can begin."""

from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest

from queue_store import maintenance
from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from queue_store.errors import MaintenanceError
from queue_store.maintenance import maintenance_run
from tasks.monitoring import distributed_system_maintenance
from tasks.monitoring.maintenance import nightly_review
from tests.monitoring.test_maintenance import execute, rows
from tests.support import filling
from tests.support.locks import uncommitted, wait_until_blocked
from tests.support.store import in_background
from tests.support.up_process import until

IDLE = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
)
AGE = "UPDATE maintenance_runs SET heartbeat_at = now() - interval '1 hour' WHERE state = 'running'"
IS_SILENT = "SELECT heartbeat_at < now() - interval '1 minute' FROM maintenance_runs ORDER BY id LIMIT 1"
FIRST_STATE = "SELECT state, affected_count FROM maintenance_runs ORDER BY id LIMIT 1"
STATUSES = "SELECT completed, cancelled FROM rollup_totals"
PATIENCE_SECONDS = 30


def repair(database: DatabaseManager) -> None:
    with maintenance.begin(database, "repair", dry_run=False, actor="anna") as run:
        maintenance.repair(run)


# For each kind of maintenance: a lock for which one of its statements must wait, and the function that runs it.
HELD: dict[str, tuple[str, Callable[[DatabaseManager], Any]]] = {
    "nightly review": ("SELECT FROM rollup_progress FOR UPDATE", lambda _: nightly_review()),
    "repair": ("SELECT FROM rollup_progress FOR UPDATE", repair),
    "clean-up": (
        "LOCK TABLE flow_execution_logs IN ACCESS EXCLUSIVE MODE",
        lambda _: distributed_system_maintenance(cleanup_orphaned_records=True, dry_run=False),
    ),
    "retention": (
        "LOCK TABLE flow_execution_logs IN ACCESS EXCLUSIVE MODE",
        lambda _: distributed_system_maintenance(purge_old_records=True, dry_run=False),
    ),
}


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, clean_database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)


@contextmanager
def held(database: DatabaseManager, kind: str) -> Generator[Future[Any]]:
    """Within this block, a statement of the maintenance waits for a lock."""
    lock, work = HELD[kind]
    with uncommitted(database, lock):
        done = in_background(lambda: work(database))
        wait_until_blocked(database)
        yield done


def age(database: DatabaseManager) -> None:
    """Moves the heartbeat into the past. Raises an error if the maintenance has locked the row of its run."""
    with database.transaction() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '1s'")
        cursor.execute(AGE.encode())


@pytest.fixture
def no_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance_run, "HEARTBEAT_SECONDS", 3_600)


def begin_another(database: DatabaseManager) -> None:
    with maintenance.begin(database, "another", dry_run=False, actor="bert"):
        pass


@pytest.mark.usefixtures("no_heartbeats")
@pytest.mark.parametrize("kind", HELD)
def test_no_session_is_idle_in_a_transaction(database: DatabaseManager, kind: str) -> None:
    with held(database, kind) as done:
        assert rows(database, IDLE) == [(1,)]  # the session that holds the lock
    done.result(PATIENCE_SECONDS)


@pytest.mark.parametrize("kind", HELD)
def test_it_renews_its_heartbeat(
    database: DatabaseManager, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance_run, "HEARTBEAT_SECONDS", 0.01)
    with held(database, kind) as done:
        age(database)
        until(lambda: rows(database, IS_SILENT) == [(False,)])
        begin_another(database)
        assert rows(database, FIRST_STATE) == [("running", 0)]
    done.result(PATIENCE_SECONDS)
    assert rows(database, FIRST_STATE)[0][0] == "finished"


@pytest.mark.usefixtures("no_heartbeats")
def test_if_it_was_frozen_another_begins_at_once_and_the_frozen_one_changes_nothing(
    database: DatabaseManager,
) -> None:
    """Without heartbeats, the maintenance looks like a frozen process to others."""
    filling.add_records(database, 3)
    rollups.fold(database)
    execute(database, "UPDATE processing_queue SET status = 'cancelled'")
    before = rows(database, STATUSES)
    with held(database, "nightly review") as done:
        age(database)
        begin_another(database)
        assert rows(database, FIRST_STATE) == [("abandoned", 0)]
    with pytest.raises(MaintenanceError, match="abandoned"):
        done.result(PATIENCE_SECONDS)
    assert rows(database, STATUSES) == before

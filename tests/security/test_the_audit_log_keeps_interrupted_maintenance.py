"""The audit log gets a row for an interrupted maintenance run. This row counts all changes that the run has committed.
The next maintenance run writes this row."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from queue_store import maintenance
from queue_store.database.manager import DatabaseManager
from queue_store.errors import AlreadyRunningError, MaintenanceError
from queue_store.maintenance import weekly_reset
from queue_store.settings import ProcessorSettings
from tests.monitoring.test_maintenance import days_ago, execute, rows
from tests.security.logins import Logins
from tests.support import filling

AUDITED = "SELECT actor, action, target, affected_count, details ->> 'state' FROM audit_log"


@pytest.fixture(autouse=True)
def _pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weekly_reset, "RECORDS_AT_ONCE", 2)


@contextmanager
def interrupted(
    database: DatabaseManager, *, dry_run: bool = False, after: int = 4, failed: int = 5
) -> Generator[None]:
    """A weekly reset falls silent after `after` records. At the end of the `with` block, the reset tries to go on."""
    filling.add_flow(database)
    filling.add_failed(database, failed, retry_count=1, updated_at=days_ago(1))

    def fall_silent(affected_count: int) -> None:
        if affected_count == after:
            raise KeyboardInterrupt

    with maintenance.begin(database, "reset_failed_records", dry_run=dry_run, actor="anna") as run:
        run.on_progress = fall_silent
        with pytest.raises(KeyboardInterrupt):
            maintenance.reset_failed(run, ProcessorSettings(), 3)
        execute(database, "UPDATE maintenance_runs SET heartbeat_at = now() - interval '121 s'")
        yield
        with pytest.raises(MaintenanceError, match="abandoned"):
            maintenance.reset_failed(run, ProcessorSettings(), 3)


def begin_another(database: DatabaseManager) -> None:
    with maintenance.begin(database, "purge_old_records", dry_run=True, actor="bert"):
        pass


def test_with_each_chunk_that_it_has_committed(database: DatabaseManager) -> None:
    with interrupted(database):
        begin_another(database)
        reset = rows(database, "SELECT count(*) FROM processing_queue WHERE status = 'pending'")
        assert reset == [(4,)]
        assert rows(database, AUDITED) == [("anna", "maintenance", "reset_failed_records", 4, "abandoned")]


def test_once_even_if_its_process_goes_on(database: DatabaseManager) -> None:
    with interrupted(database):
        begin_another(database)
    begin_another(database)
    assert rows(database, "SELECT affected_count FROM audit_log") == [(4,)]
    assert rows(database, "SELECT state, affected_count FROM maintenance_runs ORDER BY id LIMIT 1") == [
        ("abandoned", 4)
    ]


@pytest.mark.parametrize(
    "options", [{"dry_run": True}, {"after": 0, "failed": 0}], ids=["dry run", "nothing affected"]
)
def test_but_not_if_it_has_changed_nothing(database: DatabaseManager, options: dict[str, Any]) -> None:
    with interrupted(database, **options):
        begin_another(database)
    assert rows(database, AUDITED) == []


def test_even_if_an_operator_begins_the_next_one(database: DatabaseManager, logins: Logins) -> None:
    with interrupted(database):
        begin_another(logins.manager("test_admin", "admin"))
    assert rows(database, "SELECT actor, affected_count FROM audit_log") == [("anna", 4)]


def test_even_if_the_next_one_is_refused(database: DatabaseManager) -> None:
    with maintenance.begin(database, "purge_old_records", dry_run=False, actor="carl"):
        with interrupted(database):
            execute(database, "UPDATE maintenance_runs SET heartbeat_at = now() WHERE actor = 'carl'")
            with (
                pytest.raises(AlreadyRunningError),
                maintenance.begin(database, "purge_old_records", dry_run=False, actor="bert"),
            ):
                pass
            assert rows(database, AUDITED) == [
                ("anna", "maintenance", "reset_failed_records", 4, "abandoned")
            ]

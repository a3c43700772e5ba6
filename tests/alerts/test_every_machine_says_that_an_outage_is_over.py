"""Each machine that reported an outage also says that the outage is over, even if the sentinel is on another machine.
Two processes of one machine never notify at the same time."""

import threading
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from psycopg.errors import InsufficientPrivilege

from queue_store.alerting.findings import Finding
from queue_store.database.manager import DatabaseManager
from queue_store.errors import DatabaseUnavailableError, ReadOnlyServerError
from queue_store.liveness.worker_processes import take_sentinel_lease
from queue_store.settings import ProcessorSettings
from tasks.alerts import unusable
from tasks.alerts.checking import report_unusable
from tasks.alerts.unusable import TAKES_NO_WRITES, UNREACHABLE, UnusableDatabase
from tasks.background import sentinel as sentinel_module
from tasks.background.sentinel import Sentinel
from tests.alerts.test_alert_notifications import Channels, channels
from tests.support.flow_runs import Worker, running_worker
from tests.support.store import in_background
from tests.workers.processes import wait_until

__all__ = ["channels"]
GONE = DatabaseUnavailableError("gone")
READ_ONLY = ReadOnlyServerError("read-only")
FINDING = Finding(code=UNREACHABLE, level="emergency", message="gone", next_step="")


def settings(directory: Path, **contacts: Any) -> ProcessorSettings:
    return ProcessorSettings(state_directory=str(directory), **contacts)


@pytest.fixture
def machine(channels: Channels, tmp_path: Path) -> ProcessorSettings:
    return settings(tmp_path, contact_primary=("test://primary",))


def changes(channels: Channels, contact: str = "primary") -> list[str]:
    return [change for notified, change in channels.notified if notified == contact]


def look(worker: Worker, *errors: DatabaseUnavailableError) -> None:
    """Reports the errors, as this machine's checks did during the outage. Then the database answers again, but the
    sentinel is on another machine."""
    database, settings = worker.services.database, worker.services.settings
    for error in errors:
        report_unusable(database, settings, error, notify=True)
    with database.transaction() as cursor:
        cursor.execute("UPDATE beat_leader SET watches_until = now() - interval '1 second'")
        take_sentinel_lease(cursor, uuid4(), 25)
    Sentinel(worker.services).check()


@pytest.mark.parametrize("error", [GONE, READ_ONLY])
def test_a_machine_that_is_not_the_sentinel(
    error: DatabaseUnavailableError,
    machine: ProcessorSettings,
    clean_database_url: str,
    channels: Channels,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unusable, "QUIET_SECONDS", 0)
    with running_worker(
        clean_database_url,
        monkeypatch,
        contact_primary=machine.contact_primary,
        state_directory=machine.state_directory,
    ) as worker:
        for outages in (1, 2):
            look(worker, error)
            look(worker)
            assert changes(channels) == ["opened", "resolved"] * outages


def test_a_login_that_may_not_be_the_sentinel(
    machine: ProcessorSettings, clean_database_url: str, channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bool:
        raise InsufficientPrivilege

    monkeypatch.setattr(unusable, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(sentinel_module, "RENEW_SECONDS", 0)
    monkeypatch.setattr(sentinel_module, "take_sentinel_lease", refuse)
    with running_worker(
        clean_database_url, monkeypatch, contact_primary=("x",), state_directory=machine.state_directory
    ) as worker:
        report_unusable(worker.services.database, worker.services.settings, GONE, notify=True)
        Sentinel(worker.services).run()
    assert changes(channels) == ["opened", "resolved"]


def test_while_one_process_still_has_the_problem_nobody_says_that_it_is_over(
    machine: ProcessorSettings, database: DatabaseManager, channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process finds no free connection, and another process has a connection."""
    began = time.time()
    for minutes in range(3):
        monkeypatch.setattr("time.time", lambda: began + 60 * minutes)  # noqa: B023
        UnusableDatabase(database, machine, UNREACHABLE).is_gone(FINDING)
        unusable.note_usable(database, machine, unusable.QUIET_SECONDS)
        assert changes(channels) == ["opened"]
    monkeypatch.setattr("time.time", lambda: began + 120 + unusable.QUIET_SECONDS)
    unusable.note_usable(database, machine, unusable.QUIET_SECONDS)
    assert changes(channels) == ["opened", "resolved"]


def test_a_server_that_answers_but_takes_no_writes_can_be_reached(
    machine: ProcessorSettings, database: DatabaseManager, channels: Channels
) -> None:
    for error in (GONE, READ_ONLY):
        report_unusable(database, machine, error, notify=True)
    assert changes(channels) == ["opened", "resolved", "opened"]
    assert UnusableDatabase(database, machine, UNREACHABLE).is_back() == 0
    assert UnusableDatabase(database, machine, TAKES_NO_WRITES).is_back() == 2


def test_two_processes_that_overlap_tell_each_contact_once(
    database: DatabaseManager, channels: Channels, tmp_path: Path
) -> None:
    """While the first process sends slowly, a second process with another contact checks the queue."""
    first = UnusableDatabase(database, settings(tmp_path, contact_primary=("x",)), UNREACHABLE)
    second = UnusableDatabase(database, settings(tmp_path, contact_secondary=("x",)), UNREACHABLE)
    goes_on = channels.hanging["primary"] = threading.Event()
    sending = in_background(lambda: first.is_gone(FINDING))
    try:
        wait_until(lambda: ("log", "opened") in channels.notified, "the first process")
        assert second.is_gone(FINDING) == 0
    finally:
        goes_on.set()
    assert sending.result(20) == 2
    assert (second.is_gone(FINDING), second.is_gone(FINDING), first.is_gone(FINDING)) == (1, 0, 0)
    assert sorted(channels.notified) == [("log", "opened"), ("primary", "opened"), ("secondary", "opened")]


def test_a_lock_that_cannot_be_opened_silences_nobody(
    machine: ProcessorSettings, database: DatabaseManager, channels: Channels, tmp_path: Path
) -> None:
    outage = UnusableDatabase(database, machine, UNREACHABLE)
    outage.is_gone(FINDING)
    (lock,) = tmp_path.glob("*.lock")
    lock.unlink()
    lock.symlink_to("elsewhere")
    assert (outage.is_back(), outage.is_gone(FINDING)) == (2, 2)

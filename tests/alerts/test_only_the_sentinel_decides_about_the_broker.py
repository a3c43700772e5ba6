"""Each process sees the broker over its own network. While a sentinel is alive, only the sentinel opens and resolves
alerts about the broker. So two processes with different networks do not open and resolve an alert in turn."""

import os
import socket
from datetime import UTC, datetime
from uuid import UUID

import pytest

from queue_store.alerting import alerts
from queue_store.alerting.findings import Finding
from queue_store.database.manager import DatabaseManager
from queue_store.liveness.worker_processes import take_sentinel_lease
from queue_store.settings import ProcessorSettings
from tasks.alerts.checking import check_queue
from tasks.app import app
from tasks.background.sentinel import Sentinel
from tests.alerts.test_alerts import execute
from tests.support import filling
from tests.support.flow_runs import Worker

GONE = "redis://127.0.0.1:1/0"
CODE = "broker_unreachable"


def check(database: DatabaseManager) -> list[Finding]:
    found = check_queue(database, ProcessorSettings(), notify=True).findings
    return [finding for finding in found if finding.code == CODE]


def opened(database: DatabaseManager) -> int:
    with database.transaction() as cursor:
        return len([a for a in alerts.read_alerts(cursor, resolved_seconds=3600) if a.code == CODE])


def is_open(database: DatabaseManager) -> bool:
    with database.transaction() as cursor:
        return CODE in {alert.code for alert in alerts.read_alerts(cursor)}


def take_lease(database: DatabaseManager, process: UUID) -> None:
    with database.transaction() as cursor:
        assert take_sentinel_lease(cursor, process, 600)


@pytest.fixture
def elsewhere(database: DatabaseManager) -> None:
    """Gives the sentinel's lease to a process of another host."""
    there = filling.add_worker_process(
        database, hostname="worker-1", pid=os.getpid(), heartbeat_at=datetime.now(UTC)
    )
    take_lease(database, there)


@pytest.mark.usefixtures("elsewhere")
def test_a_check_that_cannot_reach_the_broker_opens_nothing_and_still_says_so(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.conf, "broker_url", GONE)
    assert len(check(database)) == 1
    assert opened(database) == 0


def test_a_check_that_reaches_the_broker_does_not_resolve_what_the_sentinel_opened(
    worker: Worker, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = worker.services.database
    monkeypatch.setattr(app.conf, "broker_url", GONE)
    Sentinel(worker.services).check()
    assert is_open(database)
    execute(database, "UPDATE worker_processes SET hostname = 'worker-2'")  # now this process is another one
    monkeypatch.setattr(app.conf, "broker_url", redis_url)
    assert check(database) == []
    assert is_open(database)


def test_the_sentinel_resolves_it(worker: Worker, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.conf, "broker_url", GONE)
    Sentinel(worker.services).check()
    monkeypatch.setattr(app.conf, "broker_url", redis_url)
    Sentinel(worker.services).check()
    assert (opened(worker.services.database), is_open(worker.services.database)) == (1, False)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    "end",
    [
        "UPDATE beat_leader SET watches_until = now() - interval '1 second'",
        "UPDATE worker_processes SET state = 'ended', ended_at = now()",
    ],
)
def test_without_a_living_sentinel_every_check_decides(
    database: DatabaseManager, redis_url: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(database, end)
    monkeypatch.setattr(app.conf, "broker_url", GONE)
    check(database)
    assert is_open(database)
    monkeypatch.setattr(app.conf, "broker_url", redis_url)
    check(database)
    assert not is_open(database)


def test_another_process_of_the_same_host_is_another_process(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.conf, "broker_url", GONE)
    here = filling.add_worker_process(
        database, hostname=socket.gethostname(), pid=os.getpid() + 1, heartbeat_at=datetime.now(UTC)
    )
    take_lease(database, here)
    check(database)
    assert opened(database) == 0

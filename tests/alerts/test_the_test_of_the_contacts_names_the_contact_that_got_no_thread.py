"""If this process can start no thread for a contact, `queuectl alerts --test` says that this contact was not tried,
why, and what to do. Otherwise it would say that the contact did not answer."""

import threading
from typing import Any

import pytest

from queue_store import DatabaseManager
from tasks.alerts import sending
from tests.cli.test_cli import QueueCtl


@pytest.fixture
def queuectl(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> QueueCtl:
    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_CONTACT_PRIMARY", "json://127.0.0.1:9/")
    return QueueCtl(database, monkeypatch)


@pytest.fixture
def deliver(monkeypatch: pytest.MonkeyPatch) -> Any:
    def replace(problem: Exception | None) -> None:
        def deliver(*_: object) -> None:
            if problem is not None:
                raise problem

        monkeypatch.setattr(sending, "deliver", deliver)

    return replace


def test_a_contact_without_a_thread(
    queuectl: QueueCtl, deliver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def start_unless_for_primary(thread: threading.Thread) -> None:
        if thread.name == "alert to primary":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_unless_for_primary)
    deliver(None)
    said = (
        "not tried, because this process could start no thread (can't start new thread): end other processes of this "
        "user, or raise the limit of its processes (ulimit -u) or of its container, then test again"
    )
    result = queuectl("alerts", "--test", exit_code=1)
    assert result.stdout == f"log: sent\nprimary: {said}\n"
    assert queuectl.json("alerts", "--test", exit_code=1) == {"log": None, "primary": said}


def test_an_error_is_not_called_a_missing_answer(queuectl: QueueCtl, deliver: Any) -> None:
    deliver(ValueError("no such scheme"))
    result = queuectl("alerts", "--test", exit_code=1)
    assert result.stdout == "log: ValueError: no such scheme\nprimary: ValueError: no such scheme\n"

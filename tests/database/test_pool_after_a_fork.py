"""A forked child opens its own connections, whatever the threads of its parent did at the time of the fork."""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from queue_store.database.manager import DatabaseManager
from tests.support.servers import connect

PID = "SELECT pg_backend_pid()"
OTHER, SAME = 0, 1
BOUND_SECONDS = 30

# Python 3.12 and later warn about forks of processes with threads.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def pid_of(manager: DatabaseManager) -> int:
    with manager.transaction() as cursor:
        return int(cursor.execute(PID).fetchall()[0][0])


def exit_code_of_child(work: Callable[[], int]) -> int:
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(BOUND_SECONDS)  # ends a child that waits for a lock which is never released
        code = 2
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_child_uses_no_connection_of_its_parent(database: DatabaseManager) -> None:
    before = pid_of(database)
    assert exit_code_of_child(lambda: SAME if pid_of(database) == before else OTHER) == OTHER
    assert pid_of(database) == before


def test_a_child_does_not_wait_for_a_thread_that_it_does_not_have(
    clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the time of the fork, a thread of the parent closes connections, and holds the lock of the manager."""
    manager = connect(clean_database_url)
    before = pid_of(manager)
    closing, forked = threading.Event(), threading.Event()
    close = psycopg.Connection[Any].close

    def close_late(driver: Any) -> None:
        closing.set()
        forked.wait(BOUND_SECONDS)
        close(driver)

    monkeypatch.setattr(psycopg.Connection, "close", close_late)
    disposing = threading.Thread(target=manager.dispose)
    disposing.start()
    assert closing.wait(BOUND_SECONDS)
    code = exit_code_of_child(lambda: SAME if pid_of(manager) == before else OTHER)
    forked.set()
    disposing.join(BOUND_SECONDS)
    assert code == OTHER

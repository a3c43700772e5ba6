"""Through a view, a login can do only what it may also do with the tables that the view reads."""

import psycopg
import pytest

from tests.security.logins import NOBODY, Logins

LOOKS = {
    "unblocked_records": "SELECT * FROM unblocked_records",
    "running_keys": "SELECT * FROM running_keys",
}
CHANGES = (
    "UPDATE unblocked_records SET id = id + 1",
    "UPDATE unblocked_records SET priority = 0",
    "UPDATE unblocked_records SET status = 'cancelled'",
    "DELETE FROM unblocked_records",
    "INSERT INTO unblocked_records (flow_name) VALUES ('sample')",
    "UPDATE running_keys SET order_key = 'another'",
    "DELETE FROM running_keys",
)


def is_refused(login: psycopg.Connection, statement: str) -> bool:
    try:
        login.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


def test_a_worker_locks_rows_and_changes_nothing_through_a_view(logins: Logins) -> None:
    [record_id] = logins.store.enqueue(1)
    worker = logins.connect("test_worker", "worker")
    lock = "SELECT id FROM unblocked_records FOR NO KEY UPDATE SKIP LOCKED"
    assert worker.execute(lock.encode()).fetchall() == [(record_id,)]
    assert all(is_refused(worker, change) for change in CHANGES)


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_those_who_read_the_queue_read_the_view(logins: Logins, look: str) -> None:
    monitor = logins.connect("test_dashboard", "monitor")
    assert not is_refused(monitor, look)
    assert is_refused(monitor, f"{look} FOR NO KEY UPDATE")
    for login in (logins.connect("test_shop", "producer"), logins.connect(NOBODY)):
        assert is_refused(login, look)

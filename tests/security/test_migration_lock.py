"""Nobody but the owner keeps others from migrating, and who waits says for whom."""

import logging
import threading

import psycopg
import pytest

from queue_store.database import schema, statements
from queue_store.database.manager import DatabaseManager
from tests.security.logins import Logins
from tests.support.store import in_background

LOCK_OF_BEFORE = 0x71756575


def test_an_advisory_lock_of_anybody_does_not_hold_up_a_migration(logins: Logins) -> None:
    logins.nobody().execute("SELECT pg_advisory_lock(%s)", (LOCK_OF_BEFORE,))
    done = in_background(lambda: schema.migrate(logins.store.database.engine))
    done.result(timeout=20)


@pytest.mark.parametrize("role", ["producer", "worker", "monitor", "admin", None])
def test_nobody_else_can_take_its_lock(logins: Logins, role: str | None) -> None:
    login = logins.connect(f"test_locker_{role}".lower(), *([role] if role else []))
    with pytest.raises(psycopg.errors.InsufficientPrivilege), login.transaction():
        login.execute(statements.sql("migration/lock_schema_version"))


def test_who_waits_says_for_whom(database: DatabaseManager, caplog: pytest.LogCaptureFixture) -> None:
    said = threading.Event()
    caplog.handler.addFilter(lambda record: said.set() is None and True)
    with caplog.at_level(logging.WARNING), database.transaction() as cursor:
        cursor.execute(statements.sql("migration/lock_schema_version"))
        [(pid,)] = cursor.execute("SELECT pg_backend_pid()").fetchall()
        waiting = in_background(lambda: schema.migrate(database.engine))
        assert said.wait(20)
    waiting.result(timeout=20)
    assert f"waiting for another migration: session {pid} of postgres" in caplog.text

"""Only the owner can hold the migration lock. A migration that waits for the lock names the session that holds it."""

import logging
import os
import subprocess
import sys
import threading

import psycopg
import pytest

from queue_store.database import schema, statements
from queue_store.database.manager import DatabaseManager
from tests.security.logins import Logins
from tests.support.pgbouncer import direct_only
from tests.support.schemas import TEST_SCHEMA
from tests.support.servers import connect
from tests.support.store import in_background
from tests.workers.processes import wait_until


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


@direct_only  # the test reads the last statement of each session
def test_two_who_migrate_at_once_wait_for_each_other(empty_database_url: str) -> None:
    """CREATE INDEX CONCURRENTLY waits for every older snapshot. So a session that waits for the migration lock must not
    hold a snapshot."""
    manager = connect(empty_database_url)
    program = [sys.executable, "-c", "from tasks.cli import main; main()", "migrate"]
    environment = {**os.environ, "DATABASE_URL": empty_database_url}
    with manager.transaction() as cursor:
        if TEST_SCHEMA != "public":
            cursor.execute(statements.sql("migration/create_schema"))
        cursor.execute(statements.sql("migration/create_schema_version"))
    with manager.transaction() as gate:
        gate.execute(statements.sql("migration/lock_schema_version"))
        migrators = [
            subprocess.Popen(
                program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            for _ in range(2)
        ]
        wait_until(
            lambda: asking_for_their_turn(manager) == 2, "both to ask for their turn", timeout_seconds=60
        )
    said = [migrator.communicate(timeout=60)[0] for migrator in migrators]
    manager.dispose()
    assert [migrator.returncode for migrator in migrators] == [0, 0], said


def asking_for_their_turn(database: DatabaseManager) -> int:
    """Counts the sessions that have asked for the migration lock. The last statement of such a session is the request
    for the lock, or the ROLLBACK after the request."""
    with database.transaction() as cursor:
        row = cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'queuectl migrate' AND (query LIKE '%schema_version%' OR query = 'ROLLBACK')"
        ).fetchone()
    return row[0] if row else 0

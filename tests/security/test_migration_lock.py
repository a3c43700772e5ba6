"""Nobody but the owner keeps others from migrating, whoever waits names the other, and code of before takes turns
with this code."""

import logging
import threading

import psycopg
import pytest

from queue_store.database import schema, statements, versions
from queue_store.database.manager import DatabaseManager
from tests.security.logins import Logins
from tests.support.schemas import TEST_SCHEMA
from tests.support.servers import connect
from tests.support.store import in_background, store_on

LOCK_OF_BEFORE = 0x71756575
IN_PUBLIC = pytest.mark.skipif(TEST_SCHEMA != "public", reason="code of before knows the schema public only")
TAKE_LOCK_OF_BEFORE = f"SELECT pg_try_advisory_xact_lock({LOCK_OF_BEFORE})".encode()


def test_an_advisory_lock_of_anybody_does_not_hold_up_a_migration(logins: Logins) -> None:
    logins.nobody().execute("SELECT pg_advisory_lock(%s)", (LOCK_OF_BEFORE,))
    done = in_background(lambda: schema.migrate(logins.store.database.engine))
    done.result(timeout=20)


@pytest.mark.parametrize("role", ["producer", "worker", "monitor", "admin", None])
def test_nobody_else_can_take_its_lock(logins: Logins, role: str | None) -> None:
    login = logins.connect(f"test_locker_{role}".lower(), *([role] if role else []))
    with pytest.raises(psycopg.errors.InsufficientPrivilege), login.transaction():
        login.execute(statements.sql("migration/lock_schema_version"))


@pytest.mark.parametrize(
    "lock",
    [
        statements.sql("migration/lock_schema_version"),
        pytest.param(f"SELECT pg_advisory_xact_lock({LOCK_OF_BEFORE})".encode(), marks=IN_PUBLIC),
    ],
    ids=["this code", "code of before"],
)
def test_who_waits_says_for_whom(
    database: DatabaseManager, caplog: pytest.LogCaptureFixture, lock: bytes
) -> None:
    said = threading.Event()
    caplog.handler.addFilter(lambda record: said.set() is None and True)
    with caplog.at_level(logging.WARNING), database.transaction() as cursor:
        cursor.execute(lock)
        [(pid,)] = cursor.execute("SELECT pg_backend_pid()").fetchall()
        waiting = in_background(lambda: schema.migrate(database.engine))
        assert said.wait(20)
    waiting.result(timeout=20)
    assert f"waiting for another migration: session {pid} of postgres" in caplog.text


@IN_PUBLIC
def test_code_of_before_waits_for_a_migration_of_this_code(empty_database_url: str) -> None:
    """A migration that stands still in its middle: somebody holds the row that it has to change."""
    database = connect(empty_database_url)
    schema.migrate(database.engine, versions.known_versions()[0])
    with store_on(database) as store:
        holder, code_of_before = store.held().driver, store.held().driver
        holder.execute("SELECT FROM schema_version FOR UPDATE")
        migrating = in_background(lambda: schema.migrate(database.engine))
        store.wait_until_a_session_is_blocked()
        assert code_of_before.execute(TAKE_LOCK_OF_BEFORE).fetchone() == (False,)
        code_of_before.rollback()
        holder.rollback()
        migrating.result(timeout=20)
        assert code_of_before.execute(TAKE_LOCK_OF_BEFORE).fetchone() == (True,)
    database.dispose()

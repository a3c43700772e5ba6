"""The library does not confuse a server that takes no writes with a transaction that a handler made read-only.

The pool gives up its sessions on a server that takes no writes. The error and `queuectl check` say that the server
takes no writes. Notifications about such a server do not need its database.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from queue_store.database.async_connection import AsyncHeldConnection
from queue_store.database.manager import DatabaseManager
from queue_store.errors import ReadOnlyServerError
from queue_store.settings import load_processor_settings
from tasks.alerts.checking import check_queue
from tasks.cli import main
from tasks.health import database_health_check
from tasks.monitoring.databases import database_named
from tests.support import filling
from tests.support.replica import Pair, running_pair
from tests.support.servers import connect
from tests.workers.processes import wait_until

SAID = (
    "this server takes no writes (it is a standby, or was set to read-only, often because its disk is full)"
)
INSERT = "INSERT INTO processing_queue (flow_name) VALUES ('alpha')"
SET = "ALTER DATABASE {} SET default_transaction_read_only = on"
RESET = "ALTER DATABASE {} RESET default_transaction_read_only"
Door = Callable[..., None]


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setattr("tasks.alerts.judging.TRY_AGAIN_SECONDS", 0)


@pytest.fixture
def own_database(own_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseManager]:
    monkeypatch.setenv("DATABASE_URL", own_database_url)
    database = connect(own_database_url)
    filling.add_flow(database)
    database.dispose()  # open sessions would keep the defaults that they began with
    yield database
    database.dispose()


def set_default(database: DatabaseManager, statement: str) -> None:
    """Changes the database's `default_transaction_read_only`, as a hosting provider does when the disk is full. Open
    sessions keep the default that they began with."""
    url = database.settings.url
    with psycopg.connect(
        url.set(drivername="postgresql").render_as_string(False), autocommit=True
    ) as session:
        session.execute("SET default_transaction_read_only = off")
        session.execute(statement.format(url.database).encode())


def write(database: DatabaseManager, *before: str) -> None:
    with database.transaction() as cursor:
        for statement in (*before, INSERT):
            cursor.execute(statement.encode())


def write_async(database: DatabaseManager, *before: str) -> None:
    async def run() -> None:
        held = await AsyncHeldConnection.open(database.async_engine)
        try:
            async with held.transaction() as cursor:
                for statement in (*before, INSERT):
                    await cursor.execute(statement.encode())
        finally:
            await held.close()
            await database.dispose_async()

    asyncio.run(run())


def test_all_sessions_on_such_a_server_are_given_up(own_database: DatabaseManager) -> None:
    set_default(own_database, SET)
    with own_database.hold(), own_database.hold():
        pass  # leaves two idle sessions in the pool
    with pytest.raises(ReadOnlyServerError, match="takes no writes"):
        write(own_database)
    set_default(own_database, RESET)  # new sessions reach the new primary
    for _ in range(2):
        write(own_database)


@pytest.mark.parametrize("door", [write, write_async])
def test_the_error_names_the_server(own_database: DatabaseManager, door: Door) -> None:
    set_default(own_database, SET)
    with pytest.raises(ReadOnlyServerError) as error:
        door(own_database)
    assert SAID in str(error.value)


@pytest.mark.parametrize(
    ("door", "statements"),
    [
        (write, ["SET TRANSACTION READ ONLY"]),
        (write_async, ["SET TRANSACTION READ ONLY"]),
        (write, ["SET default_transaction_read_only = on", "COMMIT", "BEGIN"]),
        (write, ["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "COMMIT", "BEGIN"]),
    ],
)
def test_what_a_handler_made_read_only_is_not_the_servers_fault(
    database: DatabaseManager, door: Door, statements: list[str]
) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        door(database, *statements)
    write(database, "SET TRANSACTION READ WRITE")


COMMANDS = [
    ("pause", "alpha"),
    ("resume", "alpha"),
    ("stop", "--all", "--yes"),
    ("cancel", "1"),
    ("reset", "1"),
    ("tune", "alpha", "--batch-size", "10"),
    ("alerts", "--acknowledge", "1"),
    ("maintenance", "--reset-failed-records", "--no-dry-run", "--yes"),
    ("repair", "--no-dry-run", "--yes"),
    ("grant-roles",),
    ("register",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_say_it_in_a_sentence(own_database: DatabaseManager, command: tuple[str, ...]) -> None:
    set_default(own_database, SET)
    result = CliRunner().invoke(main, [*command])
    assert SAID in result.output
    assert "Traceback" not in result.output
    assert result.exit_code == 3


def test_a_read_only_login_that_only_looks_is_no_trouble(own_database: DatabaseManager) -> None:
    url, login = own_database.settings.url, "test_only_looks"
    with own_database.transaction() as cursor:
        cursor.execute(f"CREATE ROLE {login} LOGIN SUPERUSER".encode())
        cursor.execute(f"ALTER ROLE {login} SET default_transaction_read_only = on".encode())
    looking = connect(url.set(username=login).render_as_string(hide_password=False))
    try:
        found = {f.code for f in check_queue(looking, load_processor_settings(), notify=False).findings}
        assert "database_takes_no_writes" not in found
    finally:
        looking.dispose()
        with own_database.transaction() as cursor:
            cursor.execute(f"DROP ROLE {login}".encode())


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


def test_a_standby_is_told_once_without_it_until_it_is_promoted(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A failover is not complete: the address leads to the standby, but the standby is not promoted yet. No contact is
    registered in the standby's database."""
    monkeypatch.setenv("DATABASE_URL", pair.replica.url())
    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_CONTACT_PRIMARY", "https://127.0.0.1/refused")
    database, settings = database_named(), load_processor_settings()
    with caplog.at_level(logging.INFO, "processing_queue.alerts"):
        for _ in range(2):
            (finding,) = check_queue(database, settings, notify=True).findings
            assert (finding.code, finding.level) == ("database_takes_no_writes", "emergency")
            assert SAID in finding.message
            assert "default_transaction_read_only" in finding.next_step
        check = CliRunner().invoke(main, ["check", "--json"])
        assert [f["code"] for f in json.loads(check.stdout)["findings"]] == ["database_takes_no_writes"]
        assert check.exit_code == 2
        assert SAID in str(database_health_check()["error"])
        with database.transaction() as cursor:
            cursor.execute("SELECT pg_promote()")
        wait_until(lambda: database_health_check()["status"] == "healthy", "the promotion")
        check_queue(database, settings, notify=True)
    assert [m for m in said(caplog) if "writes" in m] == [
        f"[EMERGENCY] opened: The database rpa_db cannot be used: {SAID}.",
        "[EMERGENCY] resolved: The database takes writes again.",
    ]


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "processing_queue.alerts"]

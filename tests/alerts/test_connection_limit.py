"""When the connections are used up, errors and alerts say so, and name who holds the connections. Neither errors nor
alerts suggest that the server is down."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy.engine import make_url

from queue_store.database import roles
from queue_store.database.driver_errors import unavailable
from queue_store.database.manager import DatabaseManager
from queue_store.errors import ConnectionLimitError, DatabaseUnavailableError
from queue_store.queue_schema import role_name
from tasks.cli import main
from tasks.monitoring.databases import database_named
from tests.support.servers import connect
from tests.workers.processes import wait_until

LOGIN = "test_few_connections"
LIMIT = 14
# More connections than any other holder has, because errors and alerts name only the five largest holders.
BILLING = 12
URL = make_url("postgresql://queue@db.example.net/rpa_db")


@pytest.fixture
def limited_url(database: DatabaseManager, clean_database_url: str) -> Iterator[str]:
    roles.grant_roles(database)
    with database.transaction() as cursor:
        cursor.execute(f"DROP ROLE IF EXISTS {LOGIN}".encode())
        cursor.execute(
            f"CREATE ROLE {LOGIN} LOGIN CONNECTION LIMIT {LIMIT} IN ROLE"
            f" {', '.join(map(role_name, ('worker', 'monitor', 'admin')))}".encode()
        )
    yield make_url(clean_database_url).set(username=LOGIN).render_as_string(hide_password=False)
    with database.transaction() as cursor:
        cursor.execute(f"DROP ROLE {LOGIN}".encode())


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setattr("tasks.alerts.judging.TRY_AGAIN_SECONDS", 0)


def sessions_of_the_login(database: DatabaseManager) -> int:
    with database.transaction() as cursor:
        row = cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", (LOGIN,)).fetchone()
    return row[0] if row else 0


@contextmanager
def held_connections(url: str, count: int, name: str = "") -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(psycopg.connect(url, application_name=name))
        yield


def test_the_limit_and_the_holders_are_named(
    database: DatabaseManager, limited_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", limited_url)
    with held_connections(limited_url, BILLING, "billing"):
        looked = CliRunner().invoke(main, ["check", "--json"])
        assert "database_unreachable" not in looked.stdout
        database_named().dispose()
        wait_until(
            lambda: sessions_of_the_login(database) == BILLING, "the end of the sessions that were given up"
        )
        with held_connections(limited_url, LIMIT - BILLING):
            status = CliRunner().invoke(main, ["status", "--json"])
            check = CliRunner().invoke(main, ["check", "--json"])
    said = json.loads(status.stdout)["error"]
    (finding,) = json.loads(check.stdout)["findings"]
    assert (status.exit_code, check.exit_code) == (3, 2)
    assert "its connections are used up" in finding["message"]
    for text in (said, finding["message"] + finding["next_step"]):
        assert f'too many connections for role "{LOGIN}"' in text
        assert f"billing in {make_url(limited_url).database} as {LOGIN} ({BILLING})" in text
        assert "that Postgres runs there" not in text


def test_who_never_looked_says_that_nothing_is_known(
    limited_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", limited_url)
    with held_connections(limited_url, LIMIT):
        result = CliRunner().invoke(main, ["status"])
    assert result.exit_code == 3
    assert "This machine does not know who holds the connections" in result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "FATAL:  sorry, too many clients already",
        'FATAL:  too many connections for database "rpa_db"',
        "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
        "FATAL:  no more connections allowed (max_client_conn)",
    ],
)
def test_every_limit_is_recognised(text: str) -> None:
    error = unavailable(URL, psycopg.OperationalError(f"connection failed: {text}"))
    assert isinstance(error, ConnectionLimitError)
    assert "raise the limit" in str(error)


def test_other_refusals_are_no_limit() -> None:
    error = unavailable(URL, psycopg.OperationalError("connection refused"))
    assert isinstance(error, DatabaseUnavailableError)
    assert not isinstance(error, ConnectionLimitError)


def test_the_holders_are_read_across_databases(database: DatabaseManager, clean_database_url: str) -> None:
    from queue_store.readings.server import read_server

    other = connect(clean_database_url)
    with other.transaction(), database.transaction() as cursor:
        holders = read_server(cursor).holders
    other.dispose()
    assert sum(holder.connection_count for holder in holders) >= 2

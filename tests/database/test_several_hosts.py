"""A URL may name several servers, in the form of SQLAlchemy or of libpq. We connect to the server that takes
writes."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.database_url import addresses, parse_database_url
from queue_store.errors import DatabaseUnavailableError, SettingsError
from queue_store.settings import load_database_settings
from tests.support.flower_process import FlowerProcess, environment
from tests.support.replica import Pair, on_ports, running_pair
from tests.workers.processes import running_worker, wait_until

PRIMARY, STANDBY = "127.0.0.1:{primary}", "127.0.0.1:{standby}"
FORMS = {
    "libpq": f"postgresql://postgres@{STANDBY},{PRIMARY}/postgres?target_session_attrs=read-write",
    "SQLAlchemy": "postgresql://postgres@/postgres?"
    f"host={STANDBY}&host={PRIMARY}&target_session_attrs=read-write",
}
CASES = {
    "postgresql://u@h1:1,h2:2/db": "h1:1, h2:2",
    "postgresql://u:a,b%40c@h1,h2:2/db": "h1:5432, h2:2",
    "postgresql://u@[::1]:1,h2/db": "::1:1, h2:5432",
    "postgresql://u@/db?host=h1:1&host=h2": "h1:1, h2:5432",
    "postgresql://u@/db?host=h1,h2&port=1,2": "h1:1, h2:2",
    "postgresql://u@/db?host=h1&host=h2&port=1,2": "h1:1, h2:2",
    "postgresql://u@/db?host=h1:1": "h1:1",
    "postgresql://u@/db?host=/run/a&host=/run/b:1": "/run/a:5432, /run/b:1",
    "postgresql://u@h1/db": "h1:5432",
    "postgresql://u@/db": "the local socket:5432",
}


@dataclass(frozen=True)
class Servers:
    pair: Pair
    ports: dict[str, int]

    def url(self, form: str) -> str:
        return FORMS[form].format(**self.ports)


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with running_pair() as pair, on_ports(pair) as ports:
        yield Servers(pair, ports)


@pytest.mark.parametrize("url", CASES)
def test_the_servers_of_a_url(url: str) -> None:
    assert addresses(parse_database_url(url)) == CASES[url]


@pytest.mark.parametrize("hosts", ["h1:x,h2", "h1:1:1,h2", "h1:1,h2:2/db?host=h3", "h1:1,h2:2/db?port=7"])
def test_wrong_hosts_are_refused_without_the_password(hosts: str) -> None:
    with pytest.raises(SettingsError, match="h1:5432,h2:5432") as caught:
        load_database_settings(environ={"DATABASE_URL": f"postgresql://u:canary@{hosts}"})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["u:canary@canary@h/db", "u:canary@h:canary/db", "u:canary@[::1/db", "u:canary"]
)
def test_an_odd_url_is_refused_without_the_password(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_database_settings(environ={"DATABASE_URL": f"postgresql://{url}"})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "rest",
    [
        "u:canary@h/db",
        "u@h/db?password=canary",
        "u@/db?host=h&sslpassword=canary",
        "u@h/db?oauth_client_secret=canary",
        "u:canary/canary@h/db",
    ],
)
def test_a_url_hides_its_passwords(rest: str) -> None:
    url = parse_database_url(f"postgresql://{rest}")
    assert "canary" not in f"{url} {url!r}"
    assert "canary" in url.render_as_string(hide_password=False)


def test_an_error_names_the_hosts_that_were_tried_and_no_password() -> None:
    settings = load_database_settings(
        environ={"DATABASE_URL": "postgresql://u:canary@127.0.0.1:1,127.0.0.2:2/db"}
    )
    database = DatabaseManager(settings=settings)
    with pytest.raises(DatabaseUnavailableError) as caught, database.transaction():
        pass
    said = str(caught.value)
    assert "127.0.0.1:1, 127.0.0.2:2" in said
    assert "refused" in said  # psycopg before 3.3 reports the answer of the last server only
    assert "canary" not in said


@pytest.mark.parametrize("form", FORMS)
def test_the_server_that_takes_writes_is_found(servers: Servers, form: str) -> None:
    database = DatabaseManager(settings=load_database_settings(environ={"DATABASE_URL": servers.url(form)}))
    with database.transaction() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE written (id integer)")
    database.dispose()

    async def write() -> None:
        async with database.async_engine.begin() as connection:
            await connection.exec_driver_sql("CREATE TEMPORARY TABLE written (id integer)")
        await database.dispose_async()

    asyncio.run(write())


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_commands_workers_and_the_page_take_it(
    servers: Servers, form: str, redis_url: str, tmp_path: Path
) -> None:
    settings = {**os.environ, "DATABASE_URL": servers.url(form), "CELERY_BROKER_URL": redis_url}
    database = DatabaseManager(settings=load_database_settings(environ={"DATABASE_URL": servers.url(form)}))

    def completed() -> bool:
        with database.transaction() as cursor:
            row = cursor.execute(
                "SELECT bool_and(status = 'completed') FROM processing_queue WHERE flow_name = 'quick'"
            ).fetchone()
        return bool(row and row[0])

    with running_worker(settings, tmp_path / "worker.log", concurrency=1):
        with database.transaction() as cursor:
            cursor.execute("INSERT INTO processing_queue (flow_name) VALUES ('quick')")
        wait_until(completed, "the record", tmp_path / "worker.log")
    status = queuectl(settings, "status")
    assert (status.returncode, "quick" in status.stdout) == (0, True), status.stderr
    page = FlowerProcess(environment(servers.url(form), redis_url), tmp_path / "flower.log").wait()
    try:
        assert "quick" in page.ask("/queue/api/overview").text
    finally:
        page.stop()
    database.dispose()


def queuectl(settings: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [Path(sys.executable).with_name("queuectl"), *arguments],
        env=settings, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_after_a_failover_the_next_connection_finds_the_new_primary(servers: Servers) -> None:
    """This must be the last test of the module, because it stops the primary."""
    database = DatabaseManager(
        settings=load_database_settings(environ={"DATABASE_URL": servers.url("libpq")})
    )
    with database.transaction() as cursor:
        cursor.execute("SELECT 1")
    servers.pair.primary.stop()
    servers.pair.promote()

    def writes() -> bool:
        try:
            with database.transaction() as cursor:
                cursor.execute("CREATE TABLE IF NOT EXISTS written (id integer)")
        except DatabaseUnavailableError:
            return False
        return True

    wait_until(writes, "the promoted standby")
    database.dispose()

"""`make servers` keeps a Postgres and a Redis running for tests, says how to use them, and leaves nothing behind."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from tests.support.documents import ROOT
from tests.support.servers import PostgresServer

EXPORT = re.compile(r"^export (TEST_\w+)='(.*)'$", re.MULTILINE)
SERVERS = {"postgres", "valkey-server"}


@pytest.fixture
def servers() -> Iterator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    process = subprocess.Popen(
        ["make", "--no-print-directory", "servers"], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)


def read_until(process: subprocess.Popen[str], end: str) -> str:
    assert process.stdout
    said = ""
    for line in process.stdout:
        said += line
        if end in line:
            return said
    raise AssertionError(said)


def servers_of(process: subprocess.Popen[str]) -> dict[psutil.Process, str]:
    """Returns the server processes with their names. Leaves out a process that ends during the call."""
    found = {}
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if (name := child.name()) in SERVERS:
                found[child] = name
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_the_variables_and_a_signal_leaves_nothing_running(
    servers: subprocess.Popen[str], number: signal.Signals
) -> None:
    variables = dict(EXPORT.findall(read_until(servers, "Ctrl-C")))
    assert set(variables) == {"TEST_POSTGRES_URL", "TEST_REDIS_URL"}
    with psycopg.connect(variables["TEST_POSTGRES_URL"]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        (data,) = connection.execute("SHOW data_directory").fetchone() or ("",)
    with redis.Redis.from_url(variables["TEST_REDIS_URL"]) as client:
        assert client.ping()
    started = servers_of(servers)
    assert set(started.values()) == SERVERS

    os.killpg(servers.pid, number)
    said, _ = servers.communicate(timeout=60)

    assert "Postgres and Redis have stopped." in said
    assert "Traceback" not in said
    assert [child for child in started if child.is_running()] == []
    assert not Path(data).exists()


def test_a_server_that_outlives_the_tests_is_migrated_once(postgres_server: PostgresServer) -> None:
    outliving = PostgresServer(postgres_server.url, is_embedded=False)
    assert outliving.template_database() == outliving.template_database()


def test_the_guide_for_contributors_names_what_make_servers_prints() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    assert [
        name for name in ("make servers", "TEST_POSTGRES_URL", "TEST_REDIS_URL") if name not in guide
    ] == []

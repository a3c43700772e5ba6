"""The embedded servers start in any directory, and start again after the process that started them was killed. They
leave no process behind."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tasks.embedded import child_process
from tasks.embedded.errors import EmbeddedServerError
from tasks.embedded.places import can_reach, data_directory, server_user
from tasks.embedded.postgres import EmbeddedPostgres
from tasks.embedded.redis import EmbeddedRedis, free_port
from tests.support.servers import reachable_directory

START_AND_SLEEP = """
import sys, time
from pathlib import Path
from tasks.embedded import child_process
from tasks.embedded.postgres import EmbeddedPostgres
from tasks.embedded.redis import EmbeddedRedis
if sys.argv[2] == "watched":
    child_process.HAS_DEATH_SIGNAL = False
servers = [EmbeddedPostgres(Path(sys.argv[1])), EmbeddedRedis(Path(sys.argv[1]))]
for server in servers:
    server.start()
print(*(server.process.pid for server in servers), flush=True)
time.sleep(100)
"""


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with reachable_directory() as path:
        yield path


def test_postgres_keeps_its_data_over_a_restart_and_is_durable(directory: Path) -> None:
    server = EmbeddedPostgres(directory)
    server.start()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        assert [connection.execute(f"SHOW {name}").fetchone() for name in ("fsync", "full_page_writes")] == [
            ("on",),
            ("on",),
        ]
    server.stop()
    server.start()
    try:
        with psycopg.connect(server.url()) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    finally:
        server.stop()


@pytest.mark.parametrize(
    "tie",
    [
        pytest.param(
            "signalled", marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals it")
        ),
        "watched",
    ],
)
def test_servers_end_with_a_starter_that_is_killed_and_start_again(directory: Path, tie: str) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", START_AND_SLEEP, str(directory), tie], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    with starter.stdout:
        servers = [psutil.Process(int(pid)) for pid in starter.stdout.readline().split()]
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    assert len(servers) == 2
    again = EmbeddedPostgres(directory)
    again.start()
    again.stop()
    _, alive = psutil.wait_procs(servers, timeout=30)
    assert alive == []


def test_a_watched_server_that_stops_leaves_no_watcher(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_process, "HAS_DEATH_SIGNAL", False)
    server = EmbeddedRedis(directory)
    server.start()
    watchers = psutil.Process(server.process.pid).children()
    server.stop()
    assert len(watchers) == 1
    _, alive = psutil.wait_procs(watchers, timeout=30)
    assert alive == []


def test_a_deep_path_with_a_space_and_a_quote_is_no_obstacle(directory: Path) -> None:
    deep = directory / ("it's a long way " + "down" * 12) / ("x" * 60)
    server = EmbeddedPostgres(deep)
    server.start()
    try:
        with psycopg.connect(server.url()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.stop()


def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(directory: Path) -> None:
    server = EmbeddedPostgres(directory)
    server.start()
    server.stop()
    pid_file = server.data_directory / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{server.data_directory}\n1\n5432\n\n\n1 1\nready\n")
    pid_file.chmod(0o644)
    server.start()
    server.stop()


def test_data_of_another_postgres_version_are_refused_by_name(directory: Path) -> None:
    server = EmbeddedPostgres(directory)
    server.start()
    server.stop()
    version_file = server.data_directory / "PG_VERSION"
    version = version_file.read_text()
    version_file.write_text("9\n")
    with pytest.raises(EmbeddedServerError, match="was made by Postgres 9"):
        server.start()
    version_file.write_text(version)


def test_a_postgres_that_cannot_start_shows_the_end_of_its_log(directory: Path) -> None:
    server = EmbeddedPostgres(directory, settings={"no_such_setting": "1"})
    with pytest.raises(EmbeddedServerError, match="no_such_setting"):
        server.start()


def test_redis_asks_for_its_password_and_never_refuses_or_evicts(directory: Path) -> None:
    server = EmbeddedRedis(directory)
    server.start()
    try:
        with (
            redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()
        with redis.Redis.from_url(server.url()) as client:
            assert list(client.config_get("maxmemory-policy").values()) in ([b"noeviction"], ["noeviction"])
        assert server.url().split(":")[2].split("@")[0] not in " ".join(
            psutil.Process(server.process.pid).cmdline()
        )
    finally:
        server.stop()


def test_a_port_in_use_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        first = listener.getsockname()[1]
        assert free_port(first) > first


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as another user")
def test_root_never_opens_a_private_directory(directory: Path) -> None:
    private = directory / "private"
    private.mkdir(mode=0o700)
    user = server_user()
    assert user is not None
    place = data_directory(private / "checkout" / ".data")
    assert place.is_relative_to("/var/tmp")
    assert can_reach(user, place)
    assert private.stat().st_mode & 0o777 == 0o700
    with pytest.raises(EmbeddedServerError, match="cannot enter"):
        EmbeddedPostgres(private / "data").start()
    assert private.stat().st_mode & 0o777 == 0o700

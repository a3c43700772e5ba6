"""`queuectl up` keeps its processes running, stops them in order, and leaves none behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from queue_store.errors import SettingsError
from tasks.embedded.directory_lock import DirectoryLock
from tasks.embedded.errors import EmbeddedServerError
from tasks.embedded.servers import EmbeddedServers, missing_urls
from tasks.embedded.service import RESTART_LIMIT, Service
from tests.support.servers import reachable_directory

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(60)",
]

HOLD_THE_LOCK = """
import sys, time
from pathlib import Path
from tasks.embedded.directory_lock import DirectoryLock
with DirectoryLock(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def make_service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    made: list[Service] = []

    def make(command: list[str], stop_bound_seconds: float = 10.0) -> Service:
        service = Service(
            "sleeper",
            command,
            log=tmp_path / "sleeper.log",
            environment=dict(os.environ),
            stop_bound_seconds=stop_bound_seconds,
        )
        made.append(service)
        service.start()
        return service

    yield make
    for service in made:
        service.ask_to_stop()
        service.wait_until_stopped()


def until(is_true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < deadline, "it did not happen in 30 s"
        time.sleep(0.01)


def test_a_second_supervisor_is_told_who_runs_the_first(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path):
        with pytest.raises(EmbeddedServerError, match=f"process {os.getpid()}"):
            DirectoryLock(tmp_path).__enter__()
    with DirectoryLock(tmp_path):
        pass


def test_the_lock_of_a_killed_supervisor_is_free(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD_THE_LOCK, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == b"locked\n"
    holder.kill()
    holder.wait()
    with DirectoryLock(tmp_path):
        pass


def test_a_service_that_ends_is_started_again_and_the_log_is_named(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(SLEEP)
    first = service.pid
    assert first is not None
    assert service.restart_if_ended() is None
    os.kill(first, signal.SIGKILL)
    until(lambda: (event := service.restart_if_ended()) and "-9" in event and "sleeper.log" in event)
    assert service.pid != first


def test_a_service_that_ends_again_and_again_is_given_up(make_service: Callable[..., Service]) -> None:
    service = make_service([sys.executable, "-c", "raise SystemExit('a wrong setting')"])
    for _ in range(RESTART_LIMIT):
        until(service.restart_if_ended)
    with pytest.raises(EmbeddedServerError, match=r"again and again(.|\n)*a wrong setting"):
        until(service.restart_if_ended)


def test_a_service_that_was_up_is_never_given_up_but_started_again_after_a_pause(
    make_service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.embedded.service.RESTART_PAUSE_SECONDS", 0.2)
    service = make_service([sys.executable, "-c", "raise SystemExit(3)"])
    service.has_been_up = True
    for _ in range(2 * RESTART_LIMIT):
        until(service.restart_if_ended)
    until(lambda: service.restart_if_ended() is None)


def test_a_service_that_ignores_the_signal_is_killed_after_the_bound(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(STUBBORN, stop_bound_seconds=0.3)
    until(lambda: service.log.read_text() == "on\n")
    pid = service.pid
    assert pid is not None
    service.ask_to_stop()
    assert service.wait_until_stopped() is False
    assert not psutil.pid_exists(pid)


def test_only_what_has_no_url_is_embedded() -> None:
    url = "postgresql://localhost/rpa_db"
    assert missing_urls({}) == ["DATABASE_URL", "CELERY_BROKER_URL"]
    assert missing_urls({"DEVELOPMENT_GLOBAL_RPA_DB_URL": url}) == ["CELERY_BROKER_URL"]
    assert missing_urls({"DATABASE_URL": url, "CELERY_BROKER_URL": "redis://localhost"}) == []


def test_production_never_gets_an_embedded_server(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CELERY_BROKER_URL is missing: embedded"):
        EmbeddedServers(tmp_path, {"ENVIRONMENT": "PRODUCTION", "DATABASE_URL": "postgresql://h/d"})


def test_killed_servers_come_back_where_their_clients_know_them() -> None:
    with reachable_directory() as directory:
        servers = EmbeddedServers(directory, {})
        settings = servers.start()
        assert servers.postgres is not None
        assert servers.redis is not None
        try:
            assert servers.restart_if_ended() == []
            assert servers.environment_file.stat().st_mode & 0o777 == 0o600
            for process in (servers.postgres.process, servers.redis.process):
                process.kill()
                process.wait()
            assert len(servers.restart_if_ended()) == 2
            with psycopg.connect(settings["DATABASE_URL"]) as connection:
                assert connection.info.dbname == "rpa_db"
            with redis.Redis.from_url(settings["CELERY_BROKER_URL"]) as client:
                assert client.ping()
        finally:
            servers.stop()
        assert not servers.environment_file.exists()

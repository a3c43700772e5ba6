"""The command, the environment and the health check of each service work on real servers."""

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from queue_store.database.manager import DatabaseManager
from tasks.embedded.redis import free_port
from tests.compose.compose_file import Service, services
from tests.compose.places import ROOT
from tests.support.servers import connect
from tests.workers.processes import wait_until

pytestmark = pytest.mark.long

CONSOLE_SCRIPTS = {"celery": ("-m", "celery"), "queuectl": ("-c", "from tasks.cli import main; main()")}
FLOWER_USER = "operator:p3"


class Deployment:
    """Runs the services as processes. The addresses of the test servers replace those in compose.yaml."""

    def __init__(self, database_url: str, redis_url: str, directory: Path) -> None:
        self.directory = directory
        self._servers = {"DATABASE_URL": database_url, "CELERY_BROKER_URL": redis_url}
        self._services = services(POSTGRES_PASSWORD="p1", REDIS_PASSWORD="p2", FLOWER_BASIC_AUTH=FLOWER_USER)
        self.port = free_port(20_000 + os.getpid() % 10_000)

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def heartbeat_file(self, name: str) -> Path:
        return self.directory / f"{name}-heartbeat"

    @contextmanager
    def running(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        service = self._services[name]
        with self.log(name).open("wb") as output:
            process = subprocess.Popen(
                self._program(service),
                cwd=ROOT, env=self._environment(service), stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(40)
            finally:
                process.kill()
                process.wait(5)

    def is_healthy(self, name: str) -> bool:
        service = self._services[name]
        kind, *command = service.healthcheck
        command = ["sh", "-c", *command] if kind == "CMD-SHELL" else command
        words = [self._adapted(name, word) for word in command]
        return subprocess.run(words, env=self._environment(service), capture_output=True).returncode == 0

    def _program(self, service: Service) -> list[str]:
        script, *arguments = service.command
        adapted = [self._adapted(service.name, word) for word in arguments]
        return [sys.executable, *CONSOLE_SCRIPTS[script], *adapted]

    def _adapted(self, name: str, word: str) -> str:
        """Replaces the ports, and gives each service its own /tmp, as in a container."""
        ports = word.replace(":5555/", f":{self.port}/").replace("9808", str(self.port))
        return ports.replace("/tmp/", f"{self.directory}/{name}-")

    def _environment(self, service: Service) -> dict[str, str]:
        declared = {name: self._adapted(service.name, value) for name, value in service.environment.items()}
        flower = {"FLOWER_PORT": str(self.port), "FLOWER_ADDRESS": "127.0.0.1"}
        own = {name: value for name, value in (self._servers | flower).items() if name in declared}
        assert own.keys() >= self._servers.keys()
        return {"PATH": os.environ["PATH"], "HOME": str(self.directory)} | declared | own


@pytest.fixture
def deployment(
    clean_database_url: str, redis_client: redis.Redis, redis_url: str, tmp_path: Path
) -> Deployment:
    return Deployment(clean_database_url, redis_url, tmp_path)


def test_migrate_brings_the_schema_and_exits(empty_database_url: str, redis_url: str, tmp_path: Path) -> None:
    deployment = Deployment(empty_database_url, redis_url, tmp_path)
    with deployment.running("migrate") as process:
        assert process.wait(30) == 0, deployment.log("migrate").read_text()
    database = connect(empty_database_url)
    with database.transaction() as cursor:
        cursor.execute("SELECT count(*) FROM processing_queue")
    database.dispose()


def test_migrate_ends_well_on_the_schema_of_the_next_release(
    own_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """After operators go back to the old release, the other services still wait until `migrate` has ended with 0."""
    database = connect(own_database_url)
    with database.transaction() as cursor:
        cursor.execute("UPDATE schema_version SET version_num = '9999_newer'")
    database.dispose()
    deployment = Deployment(own_database_url, redis_url, tmp_path)
    with deployment.running("migrate") as process:
        assert process.wait(30) == 0, deployment.log("migrate").read_text()
    assert "at 9999_newer, which is newer and serves this release" in deployment.log("migrate").read_text()


@pytest.mark.timeout(240)  # three processes start, on a machine that may be busy
def test_beat_control_and_worker_process_a_record_and_show_that_they_live(
    deployment: Deployment, database: DatabaseManager
) -> None:
    names = ("worker", "control", "beat")
    with deployment.running("worker"), deployment.running("control"), deployment.running("beat"):
        with database.transaction() as cursor:
            cursor.execute(
                "INSERT INTO processing_queue (flow_name, payload) VALUES ('survey_processor', '{}')"
            )
        wait_until(lambda: statuses(database) == ["failed"], "the record's end", deployment.log("worker"), 90)
        for name in names:
            wait_until(
                lambda name=name: deployment.is_healthy(name), f"{name} healthy", deployment.log(name), 60
            )
        wait_until(
            lambda: "processing_queue.fan_out" in deployment.log("control").read_text(), "a hint of beat's",
            deployment.log("beat"), 60,
        )  # fmt: skip
        for name in names:
            lines = [
                json.loads(line) for line in deployment.log(name).read_text().splitlines() if line[:1] == "{"
            ]
            assert {"time", "level", "logger", "process", "message"} <= lines[0].keys()
            assert not any("Traceback" in line["message"] for line in lines)
    an_hour_ago = time.time() - 3600
    for name in names:
        os.utime(deployment.heartbeat_file(name), (an_hour_ago, an_hour_ago))
        assert not deployment.is_healthy(name)


def test_flower_answers_its_health_check_and_asks_the_api_for_a_password(deployment: Deployment) -> None:
    with deployment.running("flower"):
        wait_until(lambda: deployment.is_healthy("flower"), "a healthy Flower", deployment.log("flower"), 60)
        api = f"http://127.0.0.1:{deployment.port}/api/workers"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(api, timeout=30)
        assert refused.value.code == 401
        refused.value.close()
        credentials = base64.b64encode(FLOWER_USER.encode()).decode()
        request = urllib.request.Request(api, headers={"Authorization": f"Basic {credentials}"})
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  (our own URL)
            assert answer.status == 200
    assert not deployment.is_healthy("flower")


def test_metrics_are_served_and_its_health_check_sees_it(deployment: Deployment) -> None:
    with deployment.running("metrics"):
        wait_until(lambda: deployment.is_healthy("metrics"), "healthy metrics", deployment.log("metrics"))
        with urllib.request.urlopen(f"http://127.0.0.1:{deployment.port}/metrics", timeout=20) as answer:
            assert b"processing_queue_up 1.0" in answer.read()
    assert not deployment.is_healthy("metrics")


def statuses(database: DatabaseManager) -> list[str]:
    with database.transaction() as cursor:
        return [status for (status,) in cursor.execute("SELECT status FROM processing_queue").fetchall()]

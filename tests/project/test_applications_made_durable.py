"""An application of any layout installs the wheel and changes two lines. Then its task calls become records."""

import dataclasses
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.support.applications import APPLICATIONS, Application
from tests.support.clean_environment import CleanEnvironment, run
from tests.support.installed_wheel import wheel
from tests.workers.processes import wait_until, with_prefix

__all__ = ["wheel"]
pytestmark = [pytest.mark.package, pytest.mark.timeout(900)]

LINES = {
    "from celery import Celery\n": "from processing_queue.celery import DurableCelery\n",
    'app = Celery("shop"': 'app = DurableCelery("shop"',
}
PATIENCE_SECONDS = 60
RESULTS = "SELECT result FROM processing_queue WHERE status = 'completed'"


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> CleanEnvironment:
    place = tmp_path_factory.mktemp("durable") / "venv"
    environment = CleanEnvironment.create(place, "requirements-dev.lock")
    environment.pip("install", "--no-deps", wheel)
    return environment


def durable(application: Application) -> Application:
    files = dict(application.files)
    [place] = [name for name, text in files.items() if all(line in text for line in LINES)]
    for line, instead in LINES.items():
        assert files[place].count(line) == 1
        files[place] = files[place].replace(line, instead)
    return dataclasses.replace(application, files=files)


@contextmanager
def running_worker(
    environment: CleanEnvironment, directory: Path, settings: dict[str, str]
) -> Iterator[Path]:
    log = directory / "worker.log"
    command = [
        environment.python,
        "-m",
        "celery",
        "-A",
        "processing_queue",
        "worker",
        "-Q",
        "flows",
        "-c",
        "1",
    ]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=directory, env={"HOME": str(directory), **settings}, stdout=output, stderr=output
        )
    try:
        yield log
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.parametrize("shape", APPLICATIONS)
def test_a_call_of_its_task_is_a_record(
    shape: str, environment: CleanEnvironment, empty_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    application = durable(APPLICATIONS[shape])
    application.write(tmp_path)
    module = application.celery_application
    settings = {"DATABASE_URL": empty_database_url, "CELERY_BROKER_URL": redis_url, "PYTHONPATH": "."}
    settings |= with_prefix({"FLOW_MODULES": module, "IDLE_POLL_SECONDS": "0.5"})
    if application.is_editable:
        environment.pip("install", "--no-deps", "--no-build-isolation", "--editable", tmp_path)
    try:
        run([environment.script("queuectl"), "migrate"], tmp_path, **settings)
        assert "tasks.send_mail" in run([environment.script("queuectl"), "register"], tmp_path, **settings)
        tested = run([environment.python, "-m", "pytest", "-p", "no:cacheprovider"], tmp_path, **settings)
        assert "1 passed" in tested
        call = f"from {module} import send_mail; send_mail.delay('you')"
        with psycopg.connect(empty_database_url, autocommit=True) as connection:
            run([environment.python, "-c", call], tmp_path, **settings)
            with running_worker(environment, tmp_path, settings) as log:
                wait_until(
                    lambda: connection.execute(RESULTS).fetchall() != [], "the record", log, PATIENCE_SECONDS
                )
            [(result,)] = connection.execute(RESULTS).fetchall()
            assert "sent to you" in str(result)
    finally:
        if application.is_editable:
            environment.pip("uninstall", "--yes", "shop")

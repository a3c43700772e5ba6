"""Installing the wheel does not change how an application behaves, and the application can use the wheel.

An application of each layout runs twice in one environment: without the wheel, and with the wheel. In both runs, the
output of pytest, Celery and the imports must be the same. Then the test adds a flow to the application, enqueues a
record and runs a worker.
"""

import re
import subprocess
from pathlib import Path

import psycopg
import pytest

from tests.support.applications import APPLICATIONS, Application
from tests.support.clean_environment import CleanEnvironment, build_wheel, run
from tests.workers.processes import wait_until

pytestmark = [pytest.mark.package, pytest.mark.timeout(900)]

WHERE_MODULES_ARE = """
import importlib, sys
for name in {modules!r}:
    print(name, importlib.import_module(name).__file__)
print("imported besides:", sorted(n for n in sys.modules if n.split(".")[0] in ("processing_queue", "queue_store")))
"""

FLOW = """
from processing_queue import flow

@flow
def send_invoice(payload: dict) -> None: ...
"""

ENQUEUE = """
import os, sqlalchemy
from processing_queue import enqueue

url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")
with sqlalchemy.create_engine(url).begin() as connection:
    enqueue(connection, "send_invoice", {"order_id": 17})
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> CleanEnvironment:
    return CleanEnvironment.create(tmp_path_factory.mktemp("application") / "venv", "requirements-dev.lock")


def behaviour(environment: CleanEnvironment, application: Application, directory: Path) -> dict[str, str]:
    """The output of the application's own commands."""
    imports = WHERE_MODULES_ARE.format(modules=application.modules)
    python = environment.python
    path = {"PYTHONPATH": "."}
    return {
        "pytest": settled(
            run([environment.script("pytest"), "-p", "no:cacheprovider"], directory, None, **path)
        ),
        "python -m pytest": settled(
            run([python, "-m", "pytest", "-p", "no:cacheprovider"], directory, **path)
        ),
        "Celery": settled(
            run([python, "-m", "celery", "-A", application.celery_application, "report"], directory)
        ),
        "imports": run([python, "-c", imports], directory),
    }


def settled(output: str) -> str:
    """Removes durations, memory addresses, and pytest's list of installed plugins."""
    lines = [line for line in output.splitlines() if not line.startswith("plugins:")]
    return re.sub(r"in \d+\.\d+s|0x[0-9a-f]+", "", "\n".join(lines))


@pytest.mark.parametrize("shape", APPLICATIONS)
def test_the_wheel_changes_nothing_and_can_be_used(
    shape: str,
    wheel: Path,
    environment: CleanEnvironment,
    empty_database_url: str,
    redis_url: str,
    tmp_path: Path,
) -> None:
    application = APPLICATIONS[shape]
    application.write(tmp_path)
    if application.is_editable:
        environment.pip("install", "--no-deps", "--no-build-isolation", "--editable", tmp_path)
    try:
        without = behaviour(environment, application, tmp_path)
        environment.pip("install", "--no-deps", wheel)
        assert behaviour(environment, application, tmp_path) == without
        assert "1 passed" in without["pytest"]
        assert str(tmp_path) in without["imports"]
        process_a_record(environment, tmp_path, empty_database_url, redis_url)
    finally:
        environment.pip(
            "uninstall", "--yes", "processing-queue", *(["shop"] if application.is_editable else [])
        )


def process_a_record(
    environment: CleanEnvironment, directory: Path, database_url: str, broker_url: str
) -> None:
    (directory / "shop_flows.py").write_text(FLOW)
    settings = {
        "DATABASE_URL": database_url,
        "CELERY_BROKER_URL": broker_url,
        "DEVELOPMENT_DISTRIBUTED_PROCESSOR_FLOW_MODULES": "shop_flows",
    }
    run([environment.script("queuectl"), "migrate"], directory, **settings)
    log = directory / "worker.log"
    with log.open("w") as output, psycopg.connect(database_url, autocommit=True) as connection:
        worker = subprocess.Popen(
            [
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
            ],
            cwd=directory,
            env=settings | {"PATH": "/usr/bin:/bin", "HOME": str(directory)},
            stdout=output,
            stderr=output,
        )
        try:
            wait_until(lambda: count(connection, "flows") == 1, "the flow", log)
            run([environment.python, "-c", ENQUEUE], directory, **settings)
            done = "processing_queue WHERE status = 'completed'"
            wait_until(lambda: count(connection, done) == 1, "the record", log)
        finally:
            worker.terminate()
            worker.wait(60)


def count(connection: psycopg.Connection, rows: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {rows}").fetchone()  # noqa: S608
    assert row is not None
    return int(row[0])

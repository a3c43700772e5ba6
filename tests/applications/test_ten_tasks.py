"""An application with ten tasks runs on plain Celery, and then with two lines changed. Both runs have the same
results and side effects."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.documents import ROOT
from tests.workers.processes import wait_until, with_prefix

SOURCE = ROOT / "tests/applications/ten_tasks.py"
NAME = "tests.applications.ten_tasks"
LINES = {
    "from celery import Celery, Task, shared_task, signals": "from celery import Task, shared_task, signals\n"
    "from processing_queue.celery import DurableCelery",
    'app = Celery("ten_tasks")': 'app = DurableCelery("ten_tasks", on_crash="repeat")',
}
NOTES = 10
PATIENCE_SECONDS = 90
DRIVER = f"""
import json
from {NAME} import use_all
print(json.dumps(use_all({PATIENCE_SECONDS})))
"""


@pytest.fixture
def environment(settings_environment: dict[str, str]) -> Iterator[dict[str, str]]:
    with psycopg.connect(settings_environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE TABLE notes (text text NOT NULL)")
        yield settings_environment
        connection.execute("DROP TABLE notes")


def write(directory: Path, *, is_durable: bool) -> None:
    """Writes the application into `directory`. If `is_durable` is True, replaces the two lines in `LINES`."""
    text = SOURCE.read_text()
    for line, instead in LINES.items() if is_durable else ():
        assert text.count(line) == 1
        text = text.replace(line, instead)
    package = directory / "tests" / "applications"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / SOURCE.name).write_text(text)


@contextmanager
def worker(directory: Path, app: str, queues: str, environment: dict[str, str]) -> Iterator[Path]:
    log = directory / "worker.log"
    command = [sys.executable, "-m", "celery", "-A", app, "worker", "-Q", queues, "--concurrency=2"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--loglevel=INFO", "--without-mingle", "--without-gossip"],
            cwd=directory, env=environment, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        wait_until(lambda: " ready." in log.read_text(), "the worker", log, PATIENCE_SECONDS)
        yield log
    finally:
        process.terminate()
        process.wait(60)


def notes(environment: dict[str, str]) -> list[str]:
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        return sorted(row[0] for row in connection.execute("SELECT text FROM notes").fetchall())


def results_of(
    directory: Path, environment: dict[str, str], *, is_durable: bool
) -> tuple[list[Any], list[str]]:
    """Returns the results or errors of the tasks, and the notes that they wrote."""
    write(directory, is_durable=is_durable)
    app, queues = ("processing_queue", "flows,control,celery") if is_durable else (NAME, "celery")
    settings = with_prefix({"FLOW_MODULES": NAME, "IDLE_POLL_SECONDS": "0.5"})
    environment = environment | settings | {"PYTHONPATH": f"{directory}:{ROOT}"}
    if is_durable:
        queuectl = Path(sys.executable).with_name("queuectl")
        subprocess.run([queuectl, "register"], cwd=directory, env=environment, check=True, timeout=60)
    with worker(directory, app, queues, environment) as log:
        driver = subprocess.run(
            [sys.executable, "-c", DRIVER],
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert driver.returncode == 0, driver.stderr + log.read_text()[-3000:]
        wait_until(lambda: len(notes(environment)) >= NOTES, "all notes", log, PATIENCE_SECONDS)
    return json.loads(driver.stdout), notes(environment)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_ten_tasks_do_the_same(environment: dict[str, str], tmp_path: Path) -> None:
    plain = results_of(tmp_path / "plain", environment, is_durable=False)
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("TRUNCATE notes")
    durable = results_of(tmp_path / "durable", environment, is_durable=True)
    assert durable[0] == plain[0]
    assert durable[1] == plain[1]
    assert ["FAILURE", "OutOfStockError: none left"] in plain[0]
    assert len(plain[1]) == NOTES

"""A durable task joins Django's `atomic()`. The assertions are in django_shop.py."""

import os
import subprocess
import sys

from queue_store.database.manager import DatabaseManager
from tests.support.documents import ROOT
from tests.support.flow_rows import register_flow


def test_an_eager_task_waits_for_djangos_commit(database: DatabaseManager, clean_database_url: str) -> None:
    """Runs all assertions of the project `django_shop` in one process, because a process takes a second to start."""
    register_flow(database, "shop.send")
    command = [sys.executable, "-W", "error", "-m", "tests.durable_tasks.django_shop"]
    project = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": clean_database_url},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert project.stdout == "done\n", project.stderr

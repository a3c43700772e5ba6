"""`pytest -n 2` with the shipped fixture and one database: each test has the queue for itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import PostgresServer

TESTS = """
import pytest
from processing_queue import flow

@flow
def handler_{place}(payload: dict) -> None: ...

@pytest.mark.parametrize("number", range(8))
def test_alone(queue_tester, number):
    for _ in range(5):
        queue_tester.enqueue(handler_{place}, {{"number": number}})
    with queue_tester.database.transaction() as cursor:
        assert cursor.execute("SELECT count(*) FROM processing_queue").fetchone() == (5,)
"""


@pytest.mark.long
def test_each_test_has_the_queue_for_itself(postgres_server: PostgresServer, tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / f"test_{place}.py").write_text(TESTS.format(place=place))
    name = postgres_server.create_database()
    environment = {
        **os.environ,
        "TEST_DATABASE_URL": postgres_server.database_url(name),
        "DEVELOPMENT_DISTRIBUTED_PROCESSOR_FLOW_MODULES": "",
    }
    arguments = [
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        "--dist",
        "load",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
    ]
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    postgres_server.drop_database(name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "16 passed" in done.stdout

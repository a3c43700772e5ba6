"""With `pytest -n 2`, the shipped fixture and one database, each test has the queue to itself."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.support.servers import PostgresServer

HANGS_AFTER_SECONDS = 60  # then pytest prints what each thread does

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
@pytest.mark.timeout(4 * HANGS_AFTER_SECONDS)
def test_each_test_has_the_queue_for_itself(postgres_server: PostgresServer, tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / f"test_{place}.py").write_text(TESTS.format(place=place))
    name = postgres_server.create_database()
    environment = {
        **os.environ,
        "TEST_DATABASE_URL": postgres_server.database_url(name),
        "DEVELOPMENT_DISTRIBUTED_PROCESSOR_FLOW_MODULES": "",
    }
    arguments = ["-m", "pytest", "-q", "-n", "2", "--dist", "load", "-p", "no:cacheprovider"]
    arguments += ["--rootdir", str(tmp_path), "-o", f"faulthandler_timeout={HANGS_AFTER_SECONDS}"]
    output = tmp_path / "output"
    with output.open("w") as file:
        try:
            code = subprocess.run(
                [sys.executable, *arguments],
                cwd=tmp_path,
                env=environment,
                stdout=file,
                stderr=file,
                timeout=3 * HANGS_AFTER_SECONDS,
            ).returncode
        except subprocess.TimeoutExpired:
            code = None
    said = output.read_text()
    assert code == 0, f"{said}\n{sessions(postgres_server, name)}"
    assert "16 passed" in said
    postgres_server.drop_database(name)


def sessions(server: PostgresServer, database: str) -> str:
    with psycopg.connect(server.url) as connection:
        rows = connection.execute(
            "SELECT pid, state, wait_event, now() - state_change, query FROM pg_stat_activity WHERE datname = %s",
            [database],
        ).fetchall()
    return "\n".join(map(str, rows))

"""A shell runs the commands of docs/own-schema.md, in the order of the page."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.embedded.programs import postgres_programs
from tests.support.documents import ROOT, CodeBlock, code_blocks
from tests.support.flow_rows import register_flow
from tests.support.servers import connect

PAGE = "docs/own-schema.md"
MAKE_THE_OWNER = "CREATE ROLE owner_of_the_queue"
SCHEMAS_WITH_A_QUEUE = "SELECT schemaname FROM pg_tables WHERE tablename = 'processing_queue' ORDER BY 1"
RECORD = "INSERT INTO public.processing_queue (flow_name, payload) VALUES ('send_invoice', '{}')"
ROWS = "SELECT count(*) FROM billing.processing_queue"


def run(block: CodeBlock, environment: dict[str, str], directory: Path) -> str:
    done = subprocess.run(
        ["bash", "-ec", block.code],
        env=environment, cwd=directory, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, f"{block}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_page_moves_a_queue(
    empty_database_url: str, redis_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    programs = f"{Path(sys.executable).parent}:{postgres_programs(None)}"
    environment = {
        **os.environ,
        "DATABASE_URL": empty_database_url,
        "CELERY_BROKER_URL": redis_url,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    environment.pop("DEVELOPMENT_DISTRIBUTED_PROCESSOR_SCHEMA", None)
    migrate, create, count, move = code_blocks(PAGE, "text")
    queuectl = [Path(sys.executable).with_name("queuectl")]
    subprocess.run([*queuectl, "migrate"], env=environment, check=True, capture_output=True, timeout=60)
    database = connect(empty_database_url)
    request.addfinalizer(database.dispose)
    register_flow(database, "send_invoice")
    with database.transaction() as cursor:
        cursor.execute(RECORD.encode())
    moved = run(move, environment, tmp_path)
    assert "1" in run(count, environment, tmp_path), moved
    assert "already" in run(migrate, environment, tmp_path)
    with database.transaction() as cursor:
        assert cursor.execute(SCHEMAS_WITH_A_QUEUE).fetchall() == [("billing",), ("public",)]
        assert cursor.execute(ROWS).fetchone() == (1,)
        cursor.execute("DROP SCHEMA billing CASCADE")
        cursor.execute(MAKE_THE_OWNER.encode())
        cursor.execute(create.code.encode())
        cursor.connection.rollback()  # roles belong to the whole server

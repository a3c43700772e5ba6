"""The README's commands work with the installed wheel, in an empty directory, on servers that the reader provides."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from queue_store.database.manager import DatabaseManager
from tests.docs.deployment import Deployment, is_deployment, program
from tests.support.clean_environment import run
from tests.support.documents import code_blocks
from tests.support.installed_wheel import installed, wheel
from tests.support.servers import connect
from tests.workers.processes import wait_until

pytestmark = [pytest.mark.package, pytest.mark.timeout(900)]
__all__ = ["installed", "wheel"]
ENGINE = "import os\nfrom sqlalchemy import create_engine, text\nengine = create_engine(os.environ['ENGINE_URL'])\n"


@pytest.fixture
def shop(empty_database_url: str) -> Iterator[DatabaseManager]:
    database = connect(empty_database_url)
    with database.transaction() as cursor:
        cursor.execute("CREATE TABLE orders (id bigint PRIMARY KEY)")
        cursor.execute("CREATE TABLE invoices (order_id bigint NOT NULL)")
    yield database
    database.dispose()


def test_every_command_works(
    installed: Path, shop: DatabaseManager, empty_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    flows, producer = code_blocks("README.md", "python")
    (tmp_path / "shop_flows.py").write_text(flows.code)
    environment = {
        "PATH": f"{installed}{os.pathsep}/usr/bin{os.pathsep}/bin",
        "HOME": str(tmp_path),
        "DATABASE_URL": empty_database_url,
        "CELERY_BROKER_URL": redis_url,
        "ENGINE_URL": empty_database_url.replace("postgresql://", "postgresql+psycopg://"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    def use() -> None:
        run([installed / "python", "-c", ENGINE + producer.code], tmp_path, **environment)
        (insert,) = code_blocks("README.md", "sql")
        with shop.transaction() as cursor:
            cursor.execute(insert.code.encode())
        wait_until(lambda: invoiced(shop) == [4711, 4712], "both invoices", tmp_path / "none.log", 60)
        for block in code_blocks("README.md", "shell"):
            for line in block.code.splitlines():
                if line.startswith("queuectl "):
                    assert run([*program(line, installed)], tmp_path, **environment)

    (deployment,) = (block for block in code_blocks("README.md") if is_deployment(block))
    Deployment(shop, environment, tmp_path, installed).run(deployment, use)
    left = {path.name for path in tmp_path.iterdir() if path.suffix != ".log"}
    assert left == {"shop_flows.py"}


def invoiced(shop: DatabaseManager) -> list[int]:
    with shop.transaction() as cursor:
        return [
            row[0] for row in cursor.execute("SELECT order_id FROM invoices ORDER BY order_id").fetchall()
        ]

"""Runs whole applications with FastAPI, Flask and SQLAlchemy. The tests cover the deployment, the normal work, and the
errors that the applications return."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from queue_store.database.manager import DatabaseManager
from tests.applications.shop_models import Base
from tests.support.up_process import QUEUECTL
from tests.workers.processes import ROOT, running_worker, wait_until, with_prefix

pytestmark = pytest.mark.long

FLOWS = "tests.applications.shop_flows"
SERVERS = {
    "fastapi": ["uvicorn", "tests.applications.fastapi_shop:app", "--port"],
    "flask": ["flask", "--app", "tests.applications.flask_shop", "run", "--port"],
}
IMPORTS = ["import_orders", "import_orders_async"]


@pytest.fixture
def shop(database: DatabaseManager) -> Iterator[DatabaseManager]:
    Base.metadata.create_all(database.engine)
    yield database
    Base.metadata.drop_all(database.engine)


@contextmanager
def running_server(command: list[str], environment: dict[str, str], log: Path) -> Iterator[httpx.Client]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", *command, str(port)],
            cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
    try:
        wait_until(lambda: answers(client), "the server to answer", log, timeout_seconds=60)
        yield client
    finally:
        client.close()
        server.terminate()
        server.wait(30)


def answers(client: httpx.Client) -> bool:
    try:
        client.get("/")
    except httpx.TransportError:
        return False
    return True


def queuectl(environment: dict[str, str], *arguments: str) -> str:
    settings = environment | with_prefix({"FLOW_MODULES": FLOWS})
    done = subprocess.run(
        [QUEUECTL, *arguments], cwd=ROOT, env=settings, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows(shop: DatabaseManager) -> tuple[int, int, int]:
    with shop.transaction() as cursor:
        row = cursor.execute(
            "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM processing_queue),"
            " (SELECT count(*) FROM invoices)"
        ).fetchone()
    assert row
    return row


@pytest.mark.parametrize("kind", SERVERS)
def test_a_shop_from_its_deploy_to_its_errors(
    kind: str, shop: DatabaseManager, settings_environment: dict[str, str], tmp_path: Path
) -> None:
    environment = settings_environment
    with running_server(SERVERS[kind], environment, tmp_path / "server.log") as client:
        # The flow is not registered yet. So the request is refused, and the order is rolled back.
        early = client.put("/orders/17", json={})
        assert (early.status_code, rows(shop)) == (503, (0, 0, 0))
        assert "run queuectl register" in early.json()["problem"]
        assert "send_invoice" in queuectl(environment, "register")
        placed = client.put("/orders/17", json={"note": "thanks"})
        assert (placed.status_code, rows(shop)) == (202, (1, 1, 0))
        with running_worker(environment, tmp_path / "worker.log", concurrency=1, flows=FLOWS):
            done = client.get(f"/records/{placed.json()['record']}")
            assert done.json() == {"status": "completed", "result": {"invoice": 17}}
        assert rows(shop) == (1, 1, 1)
        assert client.put("/orders/17", json={}).status_code == 409
        assert client.put("/orders/18", json={"note": "\0"}).status_code == 422
        assert client.get("/records/999999999").status_code == 404
        queuectl(environment, "stop", "send_invoice", "--ingestion", "--yes")
        stopped = client.put("/orders/18", json={})
        assert stopped.status_code == 503
        assert "ingestion is stopped" in stopped.json()["problem"]
        assert rows(shop) == (1, 1, 1)


@pytest.mark.parametrize("module", IMPORTS)
def test_an_import_writes_all_or_nothing(
    module: str, shop: DatabaseManager, settings_environment: dict[str, str], tmp_path: Path
) -> None:
    def run(first: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", f"tests.applications.{module}", str(first), "100"],
            cwd=ROOT, env=settings_environment, capture_output=True, text=True, timeout=90,
        )  # fmt: skip

    early = run(1)
    assert (early.returncode, rows(shop)) == (1, (0, 0, 0))
    assert "run queuectl register" in early.stderr
    queuectl(settings_environment, "register")
    assert run(1).stdout == "100\n"
    assert run(51).returncode == 1  # half of the orders exist already
    assert rows(shop) == (100, 100, 0)
    log = tmp_path / "worker.log"
    with running_worker(settings_environment, log, concurrency=1, flows=FLOWS):
        wait_until(lambda: rows(shop) == (100, 100, 100), "the invoices", log, timeout_seconds=60)

"""Each recipe works in its framework."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from queue_store import DatabaseManager, DistributedProcessor
from tests.support.django_site import configure_django
from tests.support.documents import ROOT, code_blocks
from tests.support.flow_rows import register_flow

PAGE = "docs/recipes.md"


def recipe(name: str, **names: Any) -> dict[str, Any]:
    """Runs the block that begins with `# name`, and returns the names that it defines."""
    (block,) = (b for b in code_blocks(PAGE, "python") if b.code.startswith(f"# {name}\n"))
    names["__name__"] = f"recipe_{name}"
    exec(compile(block.code, str(block), "exec"), names)  # noqa: S102  (our own documentation)
    return names


@pytest.fixture
def shop(
    database: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DatabaseManager]:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    register_flow(database, "send_invoice")
    with database.transaction() as cursor:
        cursor.execute("CREATE TABLE orders (number bigint)")
    yield database
    with database.transaction() as cursor:
        cursor.execute("DROP TABLE orders")


def counts(shop: DatabaseManager) -> tuple[int, int]:
    """The number of orders and the number of records, which must always be equal."""
    with shop.transaction() as cursor:
        row = cursor.execute(
            "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM processing_queue)"
        ).fetchone()
    assert row
    return row[0], row[1]


@pytest.fixture
def django_request(shop: DatabaseManager, clean_database_url: str) -> Iterator[Callable[..., Any]]:
    configure_django(clean_database_url)
    from django.db import connections
    from django.test import RequestFactory

    yield lambda number, note="": RequestFactory().post("/orders", {"number": number, "note": note})
    connections.close_all()


def test_django(shop: DatabaseManager, django_request: Callable[..., Any]) -> None:
    place_order = recipe("django")["place_order"]
    assert place_order(django_request("17")).status_code == 202
    assert counts(shop) == (1, 1)
    assert place_order(django_request("18", note="\0")).status_code == 422
    assert counts(shop) == (1, 1)
    with shop.transaction() as cursor:
        cursor.execute("UPDATE queue_control SET ingestion_stopped_at = now()")
    with pytest.raises(Exception, match="ingestion is stopped"):
        place_order(django_request("18"))
    assert counts(shop) == (1, 1)


def test_fastapi(shop: DatabaseManager) -> None:
    from httpx import ASGITransport, AsyncClient

    names = recipe("fastapi")

    async def work() -> None:
        transport = ASGITransport(names["app"])
        async with AsyncClient(transport=transport, base_url="http://shop") as client:
            placed = await client.post("/orders", json={"number": 17})
            assert placed.status_code == 202
            record_id = placed.json()["record_id"]
            refused = await client.post("/orders", json={"number": 18, "note": "\0"})
            assert (refused.status_code, refused.json()["field"]) == (422, "payload.note")
            assert counts(shop) == (1, 1)
            assert (await client.get(f"/records/{record_id}")).json() == {"status": "not finished"}
            assert (await client.get("/records/999999999")).status_code == 404
            DistributedProcessor(shop).cancel([record_id], actor="test")
            assert (await client.get(f"/records/{record_id}")).json()["status"] == "cancelled"
        await names["engine"].dispose()

    asyncio.run(work())
    names["database"].dispose()


def test_flask(shop: DatabaseManager, redis_url: str, redis_client: redis.Redis) -> None:
    names = recipe("flask", broker_url=redis_url)
    client = names["app"].test_client()
    assert client.post("/orders/17/invoice?copies=2").status_code == 202
    assert client.post("/orders/17/invoice").status_code == 409
    assert counts(shop) == (1, 1)
    assert redis_client.llen("celery") == 1  # the hint, in the flow's Celery queue
    names["sessions"].kw["bind"].dispose()


def test_flask_without_its_broker(shop: DatabaseManager) -> None:
    names = recipe("flask", broker_url="redis://127.0.0.1:1/0")
    assert names["app"].test_client().post("/orders/17/invoice").status_code == 202
    assert counts(shop) == (1, 1)
    names["sessions"].kw["bind"].dispose()


def test_a_second_celery_application(redis_url: str, redis_client: redis.Redis) -> None:
    """This test only checks that a message is sent. tests/workers/test_enqueue_task.py runs a worker, and checks what
    the message does."""
    with recipe("celery", broker_url=redis_url)["shop"]:
        assert redis_client.llen("control") == 1


def test_many_records_at_once(shop: DatabaseManager, capsys: pytest.CaptureFixture[str]) -> None:
    for expected in ("100 enqueued, 0 were", "0 enqueued, 100 were"):
        recipe("many")["database"].dispose()
        assert expected in capsys.readouterr().out


def test_the_command_of_the_page(
    shop: DatabaseManager, settings_environment: dict[str, str], tmp_path: Path
) -> None:
    (block,) = code_blocks(PAGE, "shell")
    program, *arguments = block.code.split()
    (tmp_path / "orders.csv").write_text("order,copies\n17,1\n18,2\n17,1\n")
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    environment = settings_environment | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert "2 records enqueued for send_invoice. 1 duplicate." in done.stdout, done.stderr

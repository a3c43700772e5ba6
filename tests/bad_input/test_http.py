"""Nonsense in requests to the Queue page and to Flower's REST API never gets a 5xx response, and changes nothing."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from queue_store import DatabaseManager
from tests.support.flow_rows import register_flow
from tests.support.flower_process import FlowerProcess, environment
from tests.support.servers import PostgresServer, connect

PATHS = [
    *("/queue/records/0", "/queue/records/-1", "/queue/records/x", "/queue/records/99999999999999999999"),
    *(
        "/queue/records/1%00",
        "/queue/records/..%2f..%2fetc%2fpasswd",
        "/queue/flows/%00",
        "/queue/flows/nobody",
    ),
    *("/queue/flows/%ff%fe", "/queue/flows/%27%3B%20DROP%20TABLE%20flows%3B--", "/queue/nothing"),
    *(
        "/queue/static/..%2f..%2f..%2fetc%2fpasswd",
        "/queue/export.exe",
        "/queue/api/nothing",
        "/queue/api/record?id=x",
    ),
    *(
        "/queue/api/record",
        "/queue/api/record?id=1e5",
        "/queue/api/flow?flow=%00",
        "/queue/api/attempts?group=%ff",
    ),
    *(
        "/queue/records?limit=-1",
        "/queue/records?limit=9e99",
        "/queue/records?after=%00",
        "/queue/records?status=done",
    ),
    *(
        "/queue/api/records?limit=x",
        "/queue/api/records?limit=-5",
        "/queue/api/records?status=%27",
        "/metrics?x=%00",
    ),
]
BODIES: dict[str, Any] = {
    "no body": None,
    "no JSON": b"{",
    "not UTF-8": b"\xff\xfe",
    "null": b"null",
    "a list": [],
    "a number": 7,
    "no ids": {},
    "ids of text": {"ids": "1"},
    "ids that are no numbers": {"ids": ["x"]},
    "ids without bounds": {"ids": [2**80]},
    "negative ids": {"ids": [-1]},
    "ids of lists": {"ids": [[1]]},
    "a flow that is null": {"flow": None, "flow_name": None},
    "a flow with NUL": {"flow": "a\x00", "flow_name": "a\x00"},
    "deep": b"[" * 50_000,
}
ACTIONS = ("reset", "cancel", "pause", "nothing")
MESSAGES: dict[str, Any] = {
    "no JSON": b"{",
    "not UTF-8": b"\xff",
    "a list": [],
    "args of text": {"args": "x"},
}


@pytest.fixture(scope="module")
def database_url(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    name = postgres_server.create_database(template=template_database)
    yield postgres_server.database_url(name)
    postgres_server.drop_database(name)


@pytest.fixture(scope="module")
def own_database(database_url: str) -> Iterator[DatabaseManager]:
    manager = connect(database_url)
    register_flow(manager, "letters")
    with manager.transaction() as cursor:
        cursor.execute("INSERT INTO processing_queue (flow_name) VALUES ('letters')")
    yield manager
    manager.dispose()


@pytest.fixture(scope="module")
def flower(
    own_database: DatabaseManager, database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FlowerProcess]:
    process = FlowerProcess(environment(database_url, redis_url), tmp_path_factory.mktemp("flower") / "log")
    yield process.wait()
    process.stop()


def unchanged(database: DatabaseManager) -> bool:
    with database.transaction() as cursor:
        cursor.execute("SELECT q.status, f.paused_at FROM processing_queue q JOIN flows f USING (flow_name)")
        return cursor.fetchall() == [("pending", None)]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_of_nonsense_is_no_error_of_ours(
    flower: FlowerProcess, own_database: DatabaseManager, path: str
) -> None:
    answer = flower.ask(path)
    assert answer.status < 500, answer.text
    assert b"Traceback" not in answer.content
    assert b"root:" not in answer.content


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("body", BODIES)
def test_a_body_of_nonsense_changes_nothing(
    flower: FlowerProcess, own_database: DatabaseManager, action: str, body: str
) -> None:
    answer = flower.do(action, BODIES[body])
    assert 400 <= answer.status < 500 or (answer.status == 200 and json.loads(answer.content) is not None), (
        answer.text
    )
    assert b"Traceback" not in answer.content
    assert unchanged(own_database)


@pytest.mark.parametrize("body", MESSAGES)
def test_flowers_api_takes_no_nonsense(
    flower: FlowerProcess, own_database: DatabaseManager, body: str
) -> None:
    answer = flower.ask("/api/task/send-task/processing_queue.enqueue", method="POST", body=MESSAGES[body])
    assert 400 <= answer.status < 500, answer.text
    assert unchanged(own_database)

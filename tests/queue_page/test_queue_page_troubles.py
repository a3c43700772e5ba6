"""The page reports a database that is slow or has no schema. Settings decide whether a replica is read, whether
payloads are shown, and below which URL prefix the page is served."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tasks.queue_page.views import VIEWS
from tests.support.flower_process import FlowerProcess, environment
from tests.support.page_data import fill
from tests.support.page_flower import QUESTIONS
from tests.support.servers import PostgresServer, connect

Start = Callable[..., FlowerProcess]


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[Start]:
    started: list[FlowerProcess] = []

    def start_flower(database_url: str, *options: str, **more: str) -> FlowerProcess:
        process = FlowerProcess(environment(database_url, redis_url) | more, tmp_path / "log", *options)
        started.append(process)
        return process.wait()

    yield start_flower
    for process in started:
        process.stop()


@pytest.fixture
def filled_url(own_database_url: str) -> str:
    database = connect(own_database_url)
    fill(database, count=24, minutes=2)
    database.dispose()
    return own_database_url


def test_without_a_schema_it_says_what_to_run(start: Start, empty_database_url: str) -> None:
    flower = start(empty_database_url)
    for view in VIEWS:
        answer = flower.ask(f"/queue/api/{view}{QUESTIONS.get(view, '')}")
        assert (answer.status, "queuectl migrate" in answer.json["error"]) == (503, True), view
    assert flower.do("pause", {"flow": "thumbnail"}).status == 503
    assert flower.ask("/queue/export.csv").status == 503


def test_a_slow_statement_ends_and_is_said(start: Start, filled_url: str) -> None:
    flower = start(filled_url)
    with psycopg.connect(filled_url) as connection:
        connection.execute("LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE")
        answer = flower.ask("/queue/api/audit")
        assert (answer.status, "slow, or cannot be reached" in answer.json["error"]) == (503, True)
        assert flower.ask("/queue/api/overview").status == 200
    assert flower.ask("/queue/api/audit").status == 200


def test_what_is_large_is_read_from_the_replica_and_what_is_alive_from_the_primary(
    start: Start, filled_url: str, postgres_server: PostgresServer, template_database: str
) -> None:
    """A database without records takes the replica's place, so that each answer shows which database was read."""
    name = postgres_server.create_database(template=template_database)
    try:
        flower = start(filled_url, DEVELOPMENT_GLOBAL_RPA_DB_REPLICA_URL=postgres_server.database_url(name))
        assert flower.ask("/queue/api/overview").json["total"]["total"] > 0
        assert flower.ask("/queue/api/record?id=2").status == 200
        assert flower.ask("/queue/api/records").json["records"] == []
        body = {"status": "failed", "flow": "thumbnail"}
        would = flower.do("reset", body | {"dry_run": True}).json["affected"]
        assert would > 0
        assert flower.do("reset", body).json["affected"] == would
        flower.stop()
    finally:
        postgres_server.drop_database(name)


def test_payloads_are_shown_in_full_where_that_is_allowed(start: Start, filled_url: str) -> None:
    flower = start(filled_url, DEVELOPMENT_DISTRIBUTED_PROCESSOR_SHOW_PAYLOADS="true")
    answer = flower.ask("/queue/api/record?id=2").json
    assert answer["record"]["payload"] == {"respondent_id": 2, "name": "<img src=x onerror=alert(1)>"}
    assert answer["payload_is_shown"] is True


def test_it_is_served_below_a_prefix(start: Start, filled_url: str) -> None:
    flower = start(filled_url, "--url-prefix=/below")
    page = flower.ask("/below/queue").text
    assert 'data-base="/below/queue"' in page
    assert 'src="/below/queue/static/queue.js"' in page
    assert flower.ask("/below/queue/static/queue.js").status == 200
    assert flower.ask("/below/queue/api/overview").json["total"]["pending"] > 0
    assert flower.do("pause", {"flow": "thumbnail"}).json["affected"] == 1

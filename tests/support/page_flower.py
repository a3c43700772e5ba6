"""Flower with the Queue page and data. `flower` and `page_database` are fixtures."""

from collections.abc import Iterator
from typing import Any

import pytest

from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from tasks.queue_page.urls import PAGES
from tasks.queue_page.views import VIEWS
from tests.support.flower_process import FlowerProcess, environment
from tests.support.page_data import fill
from tests.support.recounting import recount
from tests.support.servers import PostgresServer, connect

RUN = "00000000-0000-4000-8000-000000000101"
SUBJECTS = {
    "overview": "/queue",
    "flow": "/queue/flows/thumbnail",
    "record": "/queue/records/2",
    "run": f"/queue/runs/{RUN}",
}
PAGE_PATHS = [SUBJECTS.get(page, f"/queue/{page}") for page in PAGES.values()]
QUESTIONS = {"record": "?id=2", "flow": "?flow=thumbnail", "attempts": "?group=x", "run": f"?run={RUN}"}
DATA_PATHS = [f"/queue/api/{view}{QUESTIONS.get(view, '')}" for view in VIEWS]


@pytest.fixture(scope="module")
def page_database_url(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    name = postgres_server.create_database(template=template_database)
    url = postgres_server.database_url(name)
    manager = connect(url)
    fill(manager)
    rollups.fold(manager)
    recount(manager)  # because `fill` changed statuses without the statements that also count
    manager.dispose()
    yield url
    postgres_server.drop_database(name)


@pytest.fixture
def page_database(page_database_url: str) -> Iterator[DatabaseManager]:
    manager = connect(page_database_url)
    yield manager
    manager.dispose()


@pytest.fixture(scope="module")
def flower(
    page_database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FlowerProcess]:
    log = tmp_path_factory.mktemp("flower") / "flower.log"
    process = FlowerProcess(environment(page_database_url, redis_url), log)
    yield process.wait()
    process.stop()


def one(database: DatabaseManager, query: str) -> Any:
    with database.transaction() as cursor:
        row = cursor.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]

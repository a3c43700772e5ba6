import os
import re
import signal
from collections.abc import Iterator

import pytest
import redis

from queue_store.database.manager import DatabaseManager
from tests.support.cleaning import DatabaseCleaner
from tests.support.flow_runs import Worker, running_worker
from tests.support.pgbouncer import SETTING as SETTING_OF_PGBOUNCER, THROUGH_PGBOUNCER
from tests.support.schemas import TEST_SCHEMA, VARIABLE
from tests.support.servers import PostgresServer, connect, running_postgres, running_redis
from tests.support.store import Store, store_on

# A shell makes background processes ignore SIGINT, and their child processes ignore it, too. So this process restores
# Python's default handler. Then tests can interrupt the processes that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

SETTING = re.compile(r"_(GLOBAL_[A-Z0-9]+(_[A-Z0-9]+)*|DISTRIBUTED_PROCESSOR_[A-Z_]+)$")


LONGEST = ("workers", "chaos", "compose", "mixed_day", "docs", "bad_input", "model", "embedded", "cli")
# The files of `make test-long` that take a minute or more, longest first.
LONGEST_FILES = (
    "test_hostile_handlers", "test_message_fuzz", "test_up_elsewhere", "test_judging_without_an_answer",
    "test_guards_of_slices",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start processes take longest, so they run first. If a long file began last, one pytest process would
    work on it while the other pytest processes are idle."""
    rank = {stem: number for number, stem in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: (rank.get(item.path.stem, len(rank)), item.path.parent.name not in LONGEST))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def template_database(postgres_server: PostgresServer) -> str:
    """The name of a freshly migrated database without connections, from which tests copy their databases."""
    return postgres_server.template_database()


@pytest.fixture(scope="session")
def database_url(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """The migrated database that most tests share; `clean_database_url` empties it."""
    name = postgres_server.create_database(template=template_database)
    yield postgres_server.database_url(name)
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def database_cleaner(postgres_server: PostgresServer, database_url: str) -> DatabaseCleaner:
    cleaner = DatabaseCleaner(database_url, pgbouncer=postgres_server.pgbouncer)
    cleaner.remember_seeds()
    return cleaner


@pytest.fixture
def clean_database_url(database_url: str, database_cleaner: DatabaseCleaner) -> str:
    database_cleaner.clean()
    return database_url


@pytest.fixture
def database(clean_database_url: str) -> Iterator[DatabaseManager]:
    manager = connect(clean_database_url)
    yield manager
    manager.dispose()


@pytest.fixture
def own_database_url(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """A migrated database for one test alone. The test may change the schema and the statistics."""
    name = postgres_server.create_database(template=template_database)
    yield postgres_server.database_url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def empty_database_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database without our schema."""
    name = postgres_server.create_database()
    yield postgres_server.database_url(name)
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with running_redis() as url:
        yield url


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        yield client


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the settings of the developer's shell, so that they do not influence the tests."""
    for name in list(os.environ):
        if name in ("DATABASE_URL", "CELERY_BROKER_URL", "ENVIRONMENT") or SETTING.search(name):
            monkeypatch.delenv(name)
    if THROUGH_PGBOUNCER:
        monkeypatch.setenv(SETTING_OF_PGBOUNCER, "true")
    monkeypatch.setenv(VARIABLE, TEST_SCHEMA)


@pytest.fixture
def settings_environment(
    clean_database_url: str, redis_client: redis.Redis, redis_url: str
) -> dict[str, str]:
    """The environment variables with which a worker, beat or queuectl process uses the emptied servers."""
    return {**os.environ, "DATABASE_URL": clean_database_url, "CELERY_BROKER_URL": redis_url}


@pytest.fixture
def store(database: DatabaseManager) -> Iterator[Store]:
    """The flow `sample` on the emptied database."""
    with store_on(database) as store:
        store.add_flow()
        yield store


@pytest.fixture
def worker(clean_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """The services of a worker process, but in pytest's own process, on the emptied database."""
    with running_worker(clean_database_url, monkeypatch) as running:
        yield running

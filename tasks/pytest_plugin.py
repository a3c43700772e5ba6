"""The pytest plugin with the fixture `queue_tester`. pytest finds it automatically if processing-queue is installed.

The fixture needs a database that it may empty. The default is the database of TEST_DATABASE_URL if that is set, or
else an embedded Postgres (`pip install 'processing-queue[embedded]'`). To use another database, override the fixture
`queue_tester_database_url`.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import QueueTester

DATABASE_NAME = "processing_queue_test"
IS_FOR_TESTS = re.compile(r"(?<![a-z])tests?(?![a-z])", re.IGNORECASE)  # does not match `latest` or `contest`


@pytest.fixture(scope="session")
def queue_tester_database_url() -> Iterator[str]:
    """Yields the URL of a database for tests. The database's name must contain the word `test`, because the queue in
    this database is emptied."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    import psycopg
    from sqlalchemy.engine import make_url

    from .embedded.postgres import EmbeddedPostgres

    directory = Path(tempfile.mkdtemp(prefix="queue-tester-"))
    directory.chmod(0o711)
    server = EmbeddedPostgres(directory, settings={"fsync": "off", "synchronous_commit": "off"})
    server.start()
    try:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE_NAME}")  # type: ignore[arg-type]
        yield make_url(server.url()).set(database=DATABASE_NAME).render_as_string(hide_password=False)
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def queue_tester(queue_tester_database_url: str, monkeypatch: pytest.MonkeyPatch) -> "Iterator[QueueTester]":
    """Yields an empty, migrated queue. During the test, DATABASE_URL is the URL of the queue's database."""
    from queue_store.database.turns_of_tests import turn_of_a_test
    from queue_store.settings import parse_database_url

    from .testing import QueueTester

    name = parse_database_url(queue_tester_database_url).database or ""
    if not IS_FOR_TESTS.search(name):
        pytest.fail(
            f"the queue in the database {name!r} would be emptied: use a database whose name has 'test' as a word in "
            "it, such as shop_test"
        )
    monkeypatch.setenv("DATABASE_URL", queue_tester_database_url)
    with turn_of_a_test(queue_tester_database_url):
        tester = QueueTester()
        yield tester
        tester.close()

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from queue_store.database.manager import DatabaseManager
from tasks.embedded.redis import EmbeddedRedis
from tests.support.servers import reachable_directory


class Queue:
    """Reads and fills the queue with plain SQL, as a foreign client does."""

    def __init__(self, database: DatabaseManager) -> None:
        self.database = database

    def insert(self, flow_name: str, count: int, payload: str = "{}", **columns: Any) -> None:
        """`payload`: JSON in which every $n becomes the number of the record."""
        names = "".join(f", {name}" for name in columns)
        values = "".join(f", %({name})s" for name in columns)
        with self.database.transaction() as cursor:
            cursor.execute(
                f"INSERT INTO processing_queue (flow_name, payload{names}) "  # noqa: S608
                f"SELECT %(flow_name)s, replace(%(payload)s, '$n', n::text)::jsonb{values} "
                "FROM generate_series(1, %(count)s) n",
                {"flow_name": flow_name, "payload": payload, "count": count, **columns},
            )

    def counts(self) -> dict[str, int]:
        return dict(self.rows("SELECT status, count(*)::int FROM processing_queue GROUP BY status"))

    def rows(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with self.database.transaction() as cursor:
            return cursor.execute(query.encode(), parameters).fetchall()

    def value(self, query: str, **parameters: Any) -> Any:
        return self.rows(query, **parameters)[0][0]


@pytest.fixture
def queue(database: DatabaseManager) -> Iterator[Queue]:
    """A queue with a table `effects`, into which handlers write. The table has no unique constraint, so that
    tests notice a doubled effect."""
    with database.transaction() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS effects (record_id bigint NOT NULL, claim_number integer NOT NULL)"
        )
        cursor.execute("TRUNCATE effects")
    yield Queue(database)
    with database.transaction() as cursor:
        cursor.execute("DROP TABLE effects")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"


@pytest.fixture
def broker() -> Iterator[EmbeddedRedis]:
    """A Redis server for this test alone. The test may stop it."""
    with reachable_directory() as directory:
        server = EmbeddedRedis(directory)
        server.start()
        yield server
        server.stop()

"""The queue with two flows, a schema for the other system, and the command `queuectl import`."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from queue_store import DatabaseManager
from tasks.cli import main
from tests.support.flow_rows import register_flow
from tests.support.schemas import TEST_SCHEMA

SCHEMA = "the_other"


class Importing:
    """`queuectl import` on the database of the test."""

    def __init__(self, database: DatabaseManager) -> None:
        self.database = database

    @property
    def url(self) -> str:
        """The URL for sessions of the other system, with its tables on the search path."""
        return self.queue_url + ("&" if "?" in self.queue_url else "?") + f"options=-csearch_path%3D{SCHEMA}"

    @property
    def queue_url(self) -> str:
        return self.database.engine.url.set(drivername="postgresql").render_as_string(False)

    def command(self, source: str, *arguments: str, exit_code: int = 0) -> Result:
        words = ["import", *source.split(), "--schema", SCHEMA, "--actor", "Olga", *arguments]
        result = CliRunner().invoke(main, words)
        assert result.exit_code == exit_code, result.output
        assert "Traceback" not in result.output
        return result

    def json(self, source: str, *arguments: str, exit_code: int = 0) -> Any:
        """Runs the command with `--yes`, and returns its JSON."""
        return json.loads(self.command(source, "--yes", "--json", *arguments, exit_code=exit_code).stdout)

    def query(self, statement: str, *parameters: object) -> list[Any]:
        with self.database.transaction() as cursor:
            cursor.execute(f"SET LOCAL search_path = {SCHEMA}, {TEST_SCHEMA}".encode())
            cursor.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def records(self) -> list[Any]:
        return self.query(
            "SELECT flow_name, payload, priority, dedup_key, order_key, correlation_id"
            " FROM processing_queue ORDER BY id"
        )


@pytest.fixture
def importing(
    database: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Importing]:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    register_flow(database, "invoice")
    register_flow(database, "letter")
    one = Importing(database)
    with database.transaction() as cursor:
        cursor.execute(f"CREATE SCHEMA {SCHEMA}".encode())
    try:
        yield one
    finally:
        with database.transaction() as cursor:
            cursor.execute(f"DROP SCHEMA {SCHEMA} CASCADE".encode())

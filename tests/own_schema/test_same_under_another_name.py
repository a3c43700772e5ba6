"""Migrations build the same tables, rules, functions and rights in every schema, and leave other schemas
unchanged."""

import psycopg
import pytest

from tests.own_schema.conftest import THEIR_TABLES
from tests.support.described_schema import FILE, described
from tests.support.schemas import create_queue, in_schema
from tests.support.servers import connect

NAME = "user"  # a reserved word of Postgres, which must be quoted
EVERYTHING_IN_PUBLIC = (
    "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
)


def described_there(url: str, schema: str) -> str:
    with in_schema(schema), psycopg.connect(url) as connection:
        return described(connection)


@pytest.fixture
def url(empty_database_url: str) -> str:
    database = connect(empty_database_url)
    create_queue(database, "public")
    create_queue(database, NAME)
    database.dispose()
    return empty_database_url


def test_another_schema_has_the_same_in_it(url: str) -> None:
    in_public = described_there(url, "public")
    assert in_public == FILE.read_text()
    assert described_there(url, NAME) == in_public


def test_nothing_is_made_in_public_beside_tables_of_others(empty_database_url: str) -> None:
    database = connect(empty_database_url)
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(THEIR_TABLES)
        before = connection.execute(EVERYTHING_IN_PUBLIC).fetchall()
        create_queue(database, NAME)
        create_queue(database, NAME)  # finds nothing to do
        assert connection.execute(EVERYTHING_IN_PUBLIC).fetchall() == before
        assert connection.execute("SELECT version FROM public.schema_version").fetchall() == [("theirs",)]
    database.dispose()

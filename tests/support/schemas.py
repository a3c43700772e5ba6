"""Queues in schemas of their own. A process works with one queue, and reads the name of the queue's schema once. These
functions let tests change the schema.

`make test-schema` sets TEST_SCHEMA, the schema of the queue in every test database. The schema is the first one on the
search_path, so that the SQL of tests need not name it.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager

from queue_store.database import roles, schema, statements
from queue_store.database.manager import DatabaseManager
from queue_store.queue_schema import queue_schema

VARIABLE = "DEVELOPMENT_DISTRIBUTED_PROCESSOR_SCHEMA"
TEST_SCHEMA = os.environ.get("TEST_SCHEMA", "public")
SEARCH_PATH = (
    {} if TEST_SCHEMA == "public" else {"search_path": f"{TEST_SCHEMA}, public"}
)  # a setting of the whole server

os.environ[VARIABLE] = TEST_SCHEMA  # for this process and its children
OPEN_SCHEMA = f"GRANT USAGE ON SCHEMA {TEST_SCHEMA} TO PUBLIC".encode()  # Postgres grants this on `public`


def forget_schema() -> None:
    queue_schema.cache_clear()
    statements.sql.cache_clear()


@contextmanager
def in_schema(name: str) -> Generator[None]:
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = name
    forget_schema()
    try:
        yield
    finally:
        del os.environ[VARIABLE]
        if before is not None:
            os.environ[VARIABLE] = before
        forget_schema()


def create_queue(database: DatabaseManager, name: str, *, with_roles: bool = True) -> None:
    with in_schema(name):
        schema.migrate(database.engine)
        if with_roles:
            roles.grant_roles(database)

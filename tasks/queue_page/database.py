"""The page's own way to the database: few connections, a limit on each statement, the replica for what is large."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

from psycopg import Cursor

from queue_store.database.bounded_read import bounded_read
from queue_store.database.manager import DatabaseManager
from queue_store.settings import load_database_settings

STATEMENT_SECONDS = 3.0
CONNECTIONS = 4


@cache
def page_database() -> DatabaseManager:
    settings = replace(load_database_settings(), pool_size=CONNECTIONS, max_overflow=0)
    return DatabaseManager(settings=settings, application_name="queue page")


@contextmanager
def reading(*, replica: bool) -> Generator[Cursor[Any]]:
    """A slow database ends the reading: it degrades the page, not the queue."""
    with bounded_read(page_database(), replica=replica, timeout_seconds=STATEMENT_SECONDS) as cursor:
        yield cursor

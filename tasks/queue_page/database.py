"""The page's own access to the database. It uses few connections, limits the time of each statement, and reads large
data from the replica, if there is one."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

from psycopg import Cursor

from queue_store.database.bounded_read import bounded_read, read_replica_lag
from queue_store.database.manager import DatabaseManager
from queue_store.errors import DatabaseUnavailableError
from queue_store.settings import load_database_settings

logger = logging.getLogger(__name__)

STATEMENT_SECONDS = 3.0
CONNECTIONS = 4


@cache
def page_database() -> DatabaseManager:
    settings = replace(load_database_settings(), pool_size=CONNECTIONS, max_overflow=0)
    return DatabaseManager(settings=settings, application_name="queue page")


def has_replica() -> bool:
    return page_database().settings.replica_url is not None


def replica_lag_seconds() -> float | None:
    """Returns None if the replica does not answer."""
    try:
        return read_replica_lag(page_database())
    except DatabaseUnavailableError as error:
        logger.warning("the replica did not say how far it is behind: %s", error)
        return None


@contextmanager
def reading(*, replica: bool) -> Generator[Cursor[Any]]:
    """A reading is ended at its time limit. So a slow database can make the page fail, but the page cannot slow down
    the queue."""
    with bounded_read(page_database(), replica=replica, timeout_seconds=STATEMENT_SECONDS) as cursor:
        yield cursor

"""The databases that monitoring reads. A process has one manager for each database, and each statement has a time
limit."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from psycopg import Cursor

from queue_store.database.bounded_read import bounded_read
from queue_store.database.manager import DatabaseManager
from queue_store.errors import DatabaseUnavailableError
from queue_store.settings import DEFAULT_DATABASE, DatabaseSettings, load_database_settings

T = TypeVar("T")
logger = logging.getLogger(__name__)

STATEMENT_SECONDS = 10.0

_managers: dict[tuple[str, DatabaseSettings], DatabaseManager] = {}


def database_named(name: str = DEFAULT_DATABASE) -> DatabaseManager:
    """Raises SettingsError for a database that is not configured."""
    settings = load_database_settings(name)
    key = (name, settings)
    if key not in _managers:
        _managers[key] = DatabaseManager(name, settings, application_name="monitoring")
    return _managers[key]


def read_beside(database: DatabaseManager, read: Callable[[Cursor[Any]], T]) -> tuple[T, str | None]:
    """Read from the replica. If there is no replica, or if the replica cannot be reached, read from the primary. If
    the replica cannot be reached, the returned text says why. Raises DatabaseUnavailableError."""
    problem: str | None = None
    if database.settings.replica_url is not None:
        try:
            with bounded_read(database, replica=True, timeout_seconds=STATEMENT_SECONDS) as cursor:
                return read(cursor), None
        except DatabaseUnavailableError as error:
            problem = f"read from the primary, because the replica did not answer: {error}"
            logger.warning("%s", problem)
    with bounded_read(database, timeout_seconds=STATEMENT_SECONDS) as cursor:
        return read(cursor), problem

"""The databases that monitoring reads, one manager for each in a process, and reading without waiting for ever."""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

from psycopg import Cursor

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


@contextmanager
def impatient(database: DatabaseManager, *, replica: bool = False) -> Generator[Cursor[Any]]:
    """A transaction whose statements may take ten seconds each: whoever waits longer, for a lock or for a server that
    hangs, raises DatabaseUnavailableError."""
    with database.transaction(replica=replica) as cursor:
        milliseconds = str(int(STATEMENT_SECONDS * 1000))
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", (milliseconds,))
        yield cursor


def read_beside(database: DatabaseManager, read: Callable[[Cursor[Any]], T]) -> tuple[T, str | None]:
    """What was read from the replica; from the primary where there is none, or where it cannot be reached: the text
    says so. Raises DatabaseUnavailableError."""
    problem: str | None = None
    if database.settings.replica_url is not None:
        try:
            with impatient(database, replica=True) as cursor:
                return read(cursor), None
        except DatabaseUnavailableError as error:
            problem = f"read from the primary, because the replica did not answer: {error}"
            logger.warning("%s", problem)
    with impatient(database) as cursor:
        return read(cursor), problem

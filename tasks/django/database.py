"""The queue's database, which Django knows by an alias in DATABASES."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from django.db import connections
from psycopg.pq import Conninfo

from queue_store.database.manager import DatabaseManager
from queue_store.database_url import DatabaseUrl
from queue_store.settings import DatabaseSettings


def driver_connection(alias: str) -> Any:
    """The psycopg 3 connection that Django's connection uses. If Django has begun a transaction, the transaction is
    open on this connection. Raises Django's TransactionManagementError if that transaction is already broken."""
    connection = connections[alias]
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    return connection.connection


def database_url(alias: str) -> DatabaseUrl:
    """The URL of the database with this alias, for code that opens its own connections. The URL includes the libpq
    parameters of OPTIONS."""
    known = {default.keyword.decode() for default in Conninfo.get_defaults()} - {"client_encoding"}
    parameters = connections[alias].get_connection_params()
    told = {name: str(value) for name, value in parameters.items() if name in known and value is not None}
    return DatabaseUrl(
        "postgresql+psycopg",
        username=told.pop("user", None),
        password=told.pop("password", None),
        database=told.pop("dbname", None),
        query=told,
    )


@contextmanager
def opened_manager(alias: str) -> Generator[DatabaseManager]:
    """A manager for actions of operators. Each action has a transaction of its own. The manager's connections are
    closed at the end of the block."""
    is_pooled = connections[alias].settings_dict.get("DISABLE_SERVER_SIDE_CURSORS", False)
    settings = DatabaseSettings(database_url(alias), pool_size=1, max_overflow=1, pgbouncer=is_pooled)
    manager = DatabaseManager(alias, settings, application_name="processing_queue django")
    try:
        yield manager
    finally:
        manager.dispose()

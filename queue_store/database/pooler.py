"""A pooler in transaction mode, such as PgBouncer: each transaction may run in another session of the server.

Behind such a pooler, the state of a session is lost, or another client gets that state. This matters most for
prepared statements: psycopg would sometimes run another client's statement, without an error. So the setting PGBOUNCER
must say that there is a pooler.
"""

from typing import Any

import psycopg

from queue_store.database.connection_pool import Driver
from queue_store.errors import SettingsError
from queue_store.settings import DatabaseSettings, environment_name

CONSOLE_SECONDS = 5


def name_of_setting(database: str) -> str:
    return f"{environment_name()}_GLOBAL_{database.upper()}_PGBOUNCER"


def read_console(settings: DatabaseSettings) -> dict[str, str]:
    """The settings of PgBouncer. The result is empty if PgBouncer does not show its settings, for example because the
    login is in neither `admin_users` nor `stats_users`."""
    parameters: dict[str, Any] = settings.url.set(database="pgbouncer").driver_parameters() | {
        "autocommit": True,
        "connect_timeout": CONSOLE_SECONDS,
        "cursor_factory": psycopg.ClientCursor,  # PgBouncer's console takes simple queries only
    }
    try:
        with psycopg.connect(**parameters) as console:
            return {str(row[0]): str(row[1]) for row in console.execute("SHOW CONFIG").fetchall()}
    except psycopg.Error:
        return {}


def refuse_unnamed_pooler(connection: Driver, database: str) -> None:
    """If the connection goes through a pooler, close it and raise SettingsError. Behind a pooler, the driver's process
    id differs from `pg_backend_pid()`."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    connection.rollback()
    if row is None or row[0] == connection.info.backend_pid:
        return
    connection.close()
    raise SettingsError(
        [
            f"{name_of_setting(database)}=true is needed: a pooler such as PgBouncer is in front of the database"
        ]
    )

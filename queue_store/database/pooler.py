"""A pooler in transaction mode, such as PgBouncer: each transaction may run in another session of the server.

What a session remembers is lost there, or met by somebody else: prepared statements above all. psycopg would run the
statement of a stranger, at times without an error. So the setting must say that there is one.
"""

from typing import Any

import psycopg

from queue_store.errors import SettingsError
from queue_store.settings import environment_name


def name_of_setting(database: str) -> str:
    return f"{environment_name()}_GLOBAL_{database.upper()}_PGBOUNCER"


def refuse_pooler(connection: "psycopg.Connection[Any]", database: str) -> None:
    """Raises SettingsError where the server's process id is not the one that the driver was told: poolers invent it."""
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

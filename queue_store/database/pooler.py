"""A pooler in transaction mode, such as PgBouncer: each transaction may run in another session of the server.

What a session remembers is lost there, or met by somebody else: prepared statements above all. psycopg would run the
statement of a stranger, at times without an error. So the setting must say that there is one.
"""

from typing import Any

import psycopg
from sqlalchemy import Engine, event

from queue_store.errors import SettingsError
from queue_store.settings import environment_name


def name_of_setting(database: str) -> str:
    return f"{environment_name()}_GLOBAL_{database.upper()}_PGBOUNCER"


def refuse_unnamed_pooler(engine: Engine, database: str) -> None:
    """The first connection of the engine raises SettingsError behind a pooler."""

    def look(connection: "psycopg.Connection[Any]", _: object) -> None:
        _refuse_invented_pid(connection, database)

    event.listen(engine, "first_connect", look)


def _refuse_invented_pid(connection: "psycopg.Connection[Any]", database: str) -> None:
    """The process id that the driver was told must be the one that the server knows."""
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

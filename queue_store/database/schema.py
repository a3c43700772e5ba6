"""Bringing a database to the schema of this code, and refusing to work on another one.

Alembic is imported only where there is something to migrate: it costs more CPU than everything else in a start.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg.errors
from psycopg import Cursor

from queue_store.database.driver_errors import cause_of, database_errors, unavailable
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.database.versions import (
    COMPATIBLE_PREFIX,
    COMPATIBLE_SINCE,
    MIGRATIONS,
    known_versions,
    latest_version,
)
from queue_store.errors import SchemaVersionError
from queue_store.queue_schema import in_queue_schema

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


def migrate(engine: "Engine", revision: str = "head") -> None:
    """Apply the migrations that are missing. Idempotent; two at a time wait for each other.

    Raises SchemaVersionError when the database is newer than this code, or cannot hold every text.
    """
    current = current_version(engine)
    if current is not None and current not in known_versions():
        raise SchemaVersionError(_too_new(current))
    if current is None:
        _check_encoding(engine)
    _upgrade(engine, revision)
    if current_version(engine) == latest_version():
        with engine.begin() as connection:
            mark = COMPATIBLE_PREFIX + COMPATIBLE_SINCE
            if _ask(connection, "migration/compatible") != mark:
                comment = f"COMMENT ON TABLE public.schema_version IS '{mark}'".encode()
                connection.exec_driver_sql(in_queue_schema(comment).decode())


@dataclass(frozen=True, slots=True)
class Migration:
    """`description` says what it locks and whether workers may run during it."""

    version: str
    description: str


def missing_migrations(engine: "Engine") -> list[Migration]:
    """Those that `migrate` would apply, in order. Raises SchemaVersionError when the database is newer."""
    current = current_version(engine)
    if current is not None and current not in known_versions():
        raise SchemaVersionError(_too_new(current))
    if current == latest_version():
        return []
    from alembic.script import ScriptDirectory

    scripts = list(ScriptDirectory(str(MIGRATIONS)).walk_revisions())[::-1]
    applied = 0 if current is None else [script.revision for script in scripts].index(current) + 1
    return [Migration(script.revision, (script.module.__doc__ or "").strip()) for script in scripts[applied:]]


def check_version(database: DatabaseManager) -> None:
    """Raises SchemaVersionError unless the schema is the one that this code was written for, or a newer one that says
    that this code can work on it: while a deployment goes on both versions run."""
    current = version_of(database)
    if current == latest_version():
        return
    if current is not None and current not in known_versions() and _is_compatible(database):
        return
    if current is None or current in known_versions():
        raise SchemaVersionError(
            f"the schema of {database.name} is at {current or 'nothing'}, this code needs {latest_version()}: "
            "run `queuectl migrate`"
        )
    raise SchemaVersionError(_too_new(current))


def version_of(database: DatabaseManager) -> str | None:
    """The version of its schema; None where it has none. Raises DatabaseUnavailableError. Needs no SQLAlchemy."""
    try:
        with database.transaction() as cursor:
            return _answer(cursor, "migration/version")
    except psycopg.errors.UndefinedTable:
        return None


def current_version(engine: "Engine") -> str | None:
    """The same for those who migrate. Raises DatabaseUnavailableError."""
    try:
        with engine.connect() as connection:
            return _ask(connection, "migration/version")
    except database_errors() as error:
        cause = cause_of(error)
        if isinstance(cause, psycopg.errors.UndefinedTable):
            return None
        if isinstance(cause, psycopg.OperationalError):
            raise unavailable(engine.url, error) from None
        raise


def _answer(cursor: Cursor[Any], question: str) -> Any:
    row = cursor.execute(sql(question)).fetchone()
    return row[0] if row else None


def _ask(connection: "Connection", question: str) -> Any:
    return connection.exec_driver_sql(sql(question).decode()).scalar()


def _check_encoding(engine: "Engine") -> None:
    """Of a new database: in any other encoding some payloads and error messages could not be written."""
    with engine.connect() as connection:
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise SchemaVersionError(
            f"the database {engine.url.database} has the encoding {encoding}, which does not hold every text: "
            "create one with ENCODING 'UTF8' TEMPLATE template0"
        )


def _is_compatible(database: DatabaseManager) -> bool:
    """Whether the newer schema is compatible with this code."""
    with database.transaction() as cursor:
        mark = _answer(cursor, "migration/compatible") or ""
    return mark.startswith(COMPATIBLE_PREFIX) and mark[len(COMPATIBLE_PREFIX) :] <= latest_version()


def _too_new(current: str) -> str:
    return (
        f"the schema is at {current}, which is newer than this code ({latest_version()}): "
        "deploy the newer version of processing-queue"
    )


def _upgrade(engine: "Engine", revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["engine"] = engine
    command.upgrade(config, revision)

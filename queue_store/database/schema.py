"""Migrates a database to the schema version of this code. Refuses to work on any other version, except on a newer
one that is marked as compatible with this code.

Only `migrate` and `missing_migrations` import Alembic: its import costs more CPU than everything else at the start of a
process.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg.errors
from psycopg import Cursor

from queue_store.database.driver_errors import cause_of, database_errors, unavailable
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.database.versions import (
    FIRST,
    LAST_OF_BEFORE,
    MIGRATIONS,
    SERVES_CODE_FROM,
    as_of_today,
    is_known,
    is_to_be_migrated,
    is_too_old,
    known_versions,
    latest_version,
    mark,
    served_versions,
    serves_this_code,
)
from queue_store.errors import SchemaVersionError
from queue_store.queue_schema import in_queue_schema

RECOGNISED = (
    f"Version {LAST_OF_BEFORE} of the schema is the same as {FIRST}. So {FIRST} is not executed, and only the stored "
    "version changes.\n\nLocks: nothing. Safe while workers run: yes."
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


def migrate(engine: "Engine", revision: str = "head") -> None:
    """Apply the migrations that are missing. Idempotent. If two callers migrate at the same time, the second one
    waits for the first. A newer schema that is compatible with this code stays unchanged.

    Raises SchemaVersionError if a newer schema is not compatible with this code, if this code can no longer migrate the
    schema, or if the encoding of a new database cannot hold every text. Also raises SchemaVersionError if a migration
    would remove something that the code of a running worker needs.
    """
    current = _current_version(engine)
    if not is_known(current):
        return
    _check_migratable(engine, current)
    _upgrade(engine, revision)
    if current_version(engine) == latest_version():
        with engine.begin() as connection:
            if _ask(connection, "migration/compatible") != mark():
                comment = f"COMMENT ON TABLE public.schema_version IS '{mark()}'".encode()
                connection.exec_driver_sql(in_queue_schema(comment).decode())


def check_migratable(engine: "Engine") -> None:
    """Raises the SchemaVersionError that `migrate` would raise before its first migration."""
    current = _current_version(engine)
    if is_known(current):
        _check_migratable(engine, current)


def _check_migratable(engine: "Engine", current: str | None) -> None:
    if current is None:
        _check_encoding(engine)
    elif current != latest_version():
        _spare_older_workers(engine)


@dataclass(frozen=True, slots=True)
class Migration:
    """`description` says what the migration locks and whether workers may run during it. `is_recognised`: whether the
    migration is only recorded, not executed, because older migrations have already made its changes."""

    version: str
    description: str
    is_recognised: bool = False


def missing_migrations(engine: "Engine") -> list[Migration]:
    """The migrations that `migrate` would apply, in order. Raises SchemaVersionError if a newer schema is not
    compatible with this code, or if this code can no longer migrate the schema."""
    current = _current_version(engine)
    if not is_to_be_migrated(current):
        return []
    from alembic.script import ScriptDirectory

    scripts = list(ScriptDirectory(str(MIGRATIONS)).walk_revisions())[::-1]
    recognised = [Migration(FIRST, RECOGNISED, is_recognised=True)] if current == LAST_OF_BEFORE else []
    applied = 0 if current is None else known_versions().index(str(as_of_today(current))) + 1
    missing = [
        Migration(script.revision, (script.module.__doc__ or "").strip()) for script in scripts[applied:]
    ]
    return recognised + missing


def check_version(database: DatabaseManager) -> None:
    """Raises SchemaVersionError unless this code can work on the schema. This code can work on a schema of its own
    version, or of a newer version that is marked as compatible with this code. A newer version is accepted, because old
    code and new code run at the same time during a deployment."""
    current = version_of(database)
    if current == latest_version():
        return
    if is_to_be_migrated(current):
        raise SchemaVersionError(
            f"the schema of {database.name} is at {current or 'nothing'}, but this code needs {latest_version()}: "
            "run `queuectl migrate`"
        )
    with database.transaction() as cursor:
        _check_that_it_serves(str(current), _answer(cursor, "migration/compatible"))


def version_of(database: DatabaseManager) -> str | None:
    """The version of the database's schema, or None if the database has no schema of ours. Raises
    DatabaseUnavailableError. Needs no SQLAlchemy."""
    try:
        with database.transaction() as cursor:
            return _answer(cursor, "migration/version")
    except psycopg.errors.UndefinedTable:
        return None


def current_version(engine: "Engine") -> str | None:
    """Like `version_of`, but through the engine of a caller that migrates. Raises DatabaseUnavailableError."""
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


def _current_version(engine: "Engine") -> str | None:
    """The version of the schema. A version that this code does not know is returned only if the schema is newer and
    compatible with this code. Otherwise raises SchemaVersionError."""
    current = current_version(engine)
    if is_known(current):
        return current
    with engine.connect() as connection:
        _check_that_it_serves(str(current), _ask(connection, "migration/compatible"))
    return current


def _check_that_it_serves(current: str, found_mark: str | None) -> None:
    """`current`: a version that this code does not know. Returns only if that schema is newer and compatible with this
    code. Otherwise raises SchemaVersionError."""
    if is_too_old(current) or not serves_this_code(found_mark or ""):
        raise SchemaVersionError(_refusal(current))


def _answer(cursor: Cursor[Any], question: str) -> Any:
    row = cursor.execute(sql(question)).fetchone()
    return row[0] if row else None


def _ask(connection: "Connection", question: str) -> Any:
    return connection.exec_driver_sql(sql(question).decode()).scalar()


def _check_encoding(engine: "Engine") -> None:
    """A new database must be in UTF-8: in any other encoding some payloads and error messages could not be
    written."""
    with engine.connect() as connection:
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise SchemaVersionError(
            f"the database {engine.url.database} has the encoding {encoding}, which cannot hold every text: "
            "create a database with ENCODING 'UTF8' TEMPLATE template0"
        )


def _spare_older_workers(engine: "Engine") -> None:
    with engine.connect() as connection:
        if _ask(connection, "migration/compatible") == mark():  # then no migration removes anything
            return
        workers = (
            connection.exec_driver_sql(
                sql("migration/workers_of_older_code").decode(), {"served": list(served_versions())}
            )
            .scalars()
            .all()
        )
    if workers:
        raise SchemaVersionError(
            f"a migration removes a part of the schema that running workers need: {', '.join(workers)}. "
            f"Deploy a release of schema {SERVES_CODE_FROM} or newer first, or stop these workers; then migrate again"
        )


def _refusal(current: str) -> str:
    if is_too_old(current):
        return (
            f"the schema is at {current}, which is older than the first release. "
            f"This code can migrate {LAST_OF_BEFORE} and newer schemas: migrate to {LAST_OF_BEFORE} "
            "with the code that docs/upgrading.md names, then migrate again"
        )
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

"""Bringing a database to the schema of this code, and refusing to work on another one."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psycopg.errors
import sqlalchemy.exc
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from queue_store.database_manager import DatabaseManager
from queue_store.errors import SchemaVersionError

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(engine: Engine, revision: str = "head") -> None:
    """Apply the migrations that are missing. Idempotent; two at a time wait for each other.

    Raises SchemaVersionError when the database is newer than this code.
    """
    current = current_version(engine)
    if current is not None and current not in known_versions():
        raise SchemaVersionError(_too_new(current))
    command.upgrade(_config(engine), revision)


@dataclass(frozen=True, slots=True)
class Migration:
    """`description` says what it locks and whether workers may run meanwhile."""

    version: str
    description: str


def missing_migrations(engine: Engine) -> list[Migration]:
    """Those that `migrate` would apply, in order. Raises SchemaVersionError when the database is newer."""
    current = current_version(engine)
    if current is not None and current not in known_versions():
        raise SchemaVersionError(_too_new(current))
    scripts = list(ScriptDirectory(str(MIGRATIONS)).walk_revisions())[::-1]
    applied = 0 if current is None else [script.revision for script in scripts].index(current) + 1
    return [Migration(script.revision, (script.module.__doc__ or "").strip()) for script in scripts[applied:]]


def check_version(database: DatabaseManager) -> None:
    """Raises SchemaVersionError unless the schema is the one that this code was written for."""
    with database.hold():
        current = current_version(database.engine)
    if current == latest_version():
        return
    if current is None or current in known_versions():
        raise SchemaVersionError(
            f"the schema of {database.name} is at {current or 'nothing'}, this code needs {latest_version()}: "
            "run `queuectl migrate`"
        )
    raise SchemaVersionError(_too_new(current))


def current_version(engine: Engine) -> str | None:
    try:
        with engine.connect() as connection:
            return connection.exec_driver_sql("SELECT version_num FROM schema_version").scalar()
    except sqlalchemy.exc.ProgrammingError as error:
        if isinstance(error.orig, psycopg.errors.UndefinedTable):
            return None
        raise


@cache  # reading the migrations takes 40 ms
def latest_version() -> str:
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    assert head is not None
    return head


@cache
def known_versions() -> tuple[str, ...]:
    """Oldest first."""
    return tuple(script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions())[::-1]


def _too_new(current: str) -> str:
    return (
        f"the schema is at {current}, which is newer than this code ({latest_version()}): "
        "deploy the newer version of processing-queue"
    )


def _config(engine: Engine) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["engine"] = engine
    return config

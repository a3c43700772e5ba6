"""Runs the migrations on the engine that `queue_store.database.schema` passes, one migrator at a time.

Each migrator uses two sessions: one migrates, and the other holds a lock on the table `schema_version`. Only the owner
of the table can take this lock. An advisory lock would not do, because any login could take it.
"""

import logging
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg.errors
from alembic import context
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, Engine, event

from queue_store.database.driver_errors import cause_of, database_errors
from queue_store.database.statements import sql
from queue_store.database.versions import FIRST, LAST_OF_BEFORE
from queue_store.errors import SchemaVersionError
from queue_store.migrations.short_waits import waits
from queue_store.queue_schema import queue_schema

TRY_AGAIN_SECONDS = 0.2
SAY_AGAIN_SECONDS = 10.0
IN_THE_WAY = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
TAKEN = (psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable, psycopg.errors.DuplicateSchema)

logger = logging.getLogger(__name__)
engine: Engine = context.config.attributes["engine"]


@contextmanager
def alone() -> Generator[None]:
    """Waits until no other migrator holds the lock, and logs which session holds it. Tries the lock again and again. A
    statement that waits has a snapshot, and CREATE INDEX CONCURRENTLY waits for snapshots. While this session holds the
    lock, it has no snapshot."""
    say_at = time.monotonic() + TRY_AGAIN_SECONDS
    with engine.connect() as connection:
        guard: Any = connection.connection.driver_connection
        _create(guard)
        while not _lock(guard):
            if time.monotonic() >= say_at:
                say_at = time.monotonic() + SAY_AGAIN_SECONDS
                logger.warning("waiting for another migration: %s", _holders(guard))
            time.sleep(TRY_AGAIN_SECONDS)
        try:
            yield
        finally:
            guard.rollback()


def _create(guard: Any) -> None:
    for is_there, create in (
        ("migration/has_schema", "migration/create_schema"),
        ("migration/has_schema_version", "migration/create_schema_version"),
    ):
        try:
            if guard.execute(sql(is_there)).fetchone() != (True,):
                guard.execute(sql(create))
            guard.commit()
        except TAKEN:  # another migrator was quicker
            guard.rollback()
        except psycopg.errors.InsufficientPrivilege as error:
            guard.rollback()
            raise SchemaVersionError(_missing_right(guard, error)) from error


def _missing_right(guard: Any, error: psycopg.Error) -> str:
    schema, login = Identifier(queue_schema()), Identifier(guard.info.user)
    [has_schema] = guard.execute(sql("migration/has_schema")).fetchone()
    grant = "GRANT CREATE, USAGE ON SCHEMA {} TO {}" if has_schema else "CREATE SCHEMA {} AUTHORIZATION {}"
    needed = SQL(grant).format(schema, login).as_string(guard)
    return (
        f"this login may not build the schema {queue_schema()} ({error.diag.message_primary}): "
        f"let the owner of the {'schema' if has_schema else 'database'} run `{needed}`, then migrate again"
    )


def _lock(guard: Any) -> bool:
    try:
        guard.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        guard.execute(sql("migration/lock_schema_version"))
    except psycopg.errors.LockNotAvailable:
        guard.rollback()
        return False
    return True


def _holders(guard: Any) -> str:
    rows = guard.execute(sql("migration/holders_of_schema_version")).fetchall()
    guard.rollback()
    return "; ".join(row[0] for row in rows) or "it has just ended"


def apply(connection: Connection) -> None:
    """Applies all missing migrations. Each one has its own transaction, so an error rolls back only the migration
    that failed."""
    connection.exec_driver_sql(
        sql("migration/recognise").decode(), {"before": LAST_OF_BEFORE, "first": FIRST}
    )
    connection.commit()
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()


def apply_in_free_moments(connection: Connection) -> None:
    driver: Any = connection.connection.driver_connection
    for seconds in waits(driver, logger.warning):
        with lock_timeout(connection, driver, seconds):
            try:
                apply(connection)
            except database_errors() as error:
                connection.rollback()
                if not isinstance(cause_of(error), IN_THE_WAY):
                    raise
            else:
                break


@contextmanager
def lock_timeout(connection: Connection, driver: Any, seconds: float) -> Generator[None]:
    """Sets the timeout in each transaction and not for the session, because behind a pooler other clients use the
    same session."""

    def set_lock_timeout(_: Connection) -> None:
        if not driver.autocommit:
            driver.execute(f"SET LOCAL lock_timeout = '{1000 * seconds:.0f}ms'")

    event.listen(connection, "begin", set_lock_timeout)
    try:
        yield
    finally:
        event.remove(connection, "begin", set_lock_timeout)


with alone(), engine.connect() as connection:
    context.configure(
        connection=connection,
        version_table="schema_version",
        version_table_schema=queue_schema(),
        transaction_per_migration=True,
    )
    apply_in_free_moments(connection)

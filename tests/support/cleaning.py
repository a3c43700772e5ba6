"""Gives each test a database in the state after the migrations, in about a millisecond."""

import time
from collections.abc import Sequence
from functools import cached_property

import psycopg
from psycopg import errors, sql

from tests.support.pgbouncer import PgBouncer
from tests.support.schemas import TEST_SCHEMA

KEPT = ("schema_version",)
# This timeout is shorter than the deadlock_timeout of the test servers. If this session and another one wait for each
# other, this session gives up.
LOCK_TIMEOUT = "100ms"
TRY_SECONDS = 10
SEEDS = "test_seeds"

TABLES = """
SELECT table_name::text FROM information_schema.tables
WHERE table_schema = %(schema)s AND table_type = 'BASE TABLE' AND table_name <> ALL(%(kept)s)
ORDER BY table_name
"""

WRITABLE_COLUMNS = """
SELECT column_name::text FROM information_schema.columns
WHERE table_schema = %(schema)s AND table_name = %(table)s AND is_generated = 'NEVER'
ORDER BY ordinal_position
"""


class DatabaseCleaner:
    """Empties all tables except the kept ones, and restores the rows that the migrations had inserted. With
    `pgbouncer`, also ends the server sessions of this pooler, so that no setting of a test reaches the next
    test."""

    def __init__(self, url: str, kept: Sequence[str] = KEPT, *, pgbouncer: PgBouncer | None = None) -> None:
        self._url = url
        self._pgbouncer = pgbouncer
        self._kept = list(kept)

    def remember_seeds(self) -> None:
        """Copies the rows of the freshly migrated tables. Call this once, before the first test."""
        with psycopg.connect(self._url) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SEEDS)))
            for table in self._tables(connection):
                connection.execute(
                    sql.SQL("CREATE TABLE {} AS TABLE {}").format(
                        sql.Identifier(SEEDS, table), sql.Identifier(TEST_SCHEMA, table)
                    )
                )

    def clean(self) -> None:
        """Switches off triggers and foreign keys. So the order of the tables does not matter, and no trigger
        counts the deletions. Tries again for TRY_SECONDS if sessions of running workers hold locks."""
        if self._pgbouncer:
            self._pgbouncer.command("RECONNECT")
        give_up_at = time.monotonic() + TRY_SECONDS
        while True:
            try:
                return self._clean()
            except (errors.LockNotAvailable, errors.DeadlockDetected):
                if time.monotonic() > give_up_at:
                    raise

    def _clean(self) -> None:
        with psycopg.connect(self._url) as connection:
            connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'".encode())
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute(self._statements)

    @cached_property
    def _statements(self) -> sql.Composed:
        with psycopg.connect(self._url) as connection:
            tables = self._tables(connection)
            return sql.SQL("; ").join(
                [sql.SQL("DELETE FROM {}").format(sql.Identifier(TEST_SCHEMA, table)) for table in tables]
                + [self._restore(connection, table) for table in tables if self._is_seeded(connection, table)]
            )

    def _restore(self, connection: psycopg.Connection, table: str) -> sql.Composed:
        rows = connection.execute(WRITABLE_COLUMNS, {"schema": TEST_SCHEMA, "table": table}).fetchall()
        columns = sql.SQL(", ").join(sql.Identifier(row[0]) for row in rows)
        return sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}").format(
            sql.Identifier(TEST_SCHEMA, table), columns, columns, sql.Identifier(SEEDS, table)
        )

    def _is_seeded(self, connection: psycopg.Connection, table: str) -> bool:
        query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(SEEDS, table))
        row = connection.execute(query).fetchone()
        return row is not None and bool(row[0])

    def _tables(self, connection: psycopg.Connection) -> list[str]:
        wanted = {"schema": TEST_SCHEMA, "kept": self._kept}
        return [row[0] for row in connection.execute(TABLES, wanted).fetchall()]

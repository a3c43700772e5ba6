"""A crash of Postgres erases the counters that autovacuum needs. This module vacuums and analyses the tables for which
the server's statistics show no vacuum. Without this module, claims would read dead rows for hours. A table that has
been vacuumed since the crash is left alone, so repeated calls do no harm."""

from psycopg import sql as identifiers

from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.queue_schema import queue_schema


def vacuum_forgotten_tables(database: DatabaseManager) -> list[str]:
    """Returns the tables that had to be vacuumed, including those that VACUUM skipped because somebody else had
    locked them."""
    with database.transaction() as cursor:
        names = [str(row[0]) for row in cursor.execute(sql("maintenance/unvacuumed_tables")).fetchall()]
    if names:
        vacuum_tables(database, names)
    return names


def vacuum_tables(database: DatabaseManager, names: list[str]) -> None:
    tables = identifiers.SQL(", ").join(identifiers.Identifier(queue_schema(), name) for name in names)
    statement = identifiers.SQL("VACUUM (ANALYZE, SKIP_LOCKED) {}").format(tables)
    with database.hold() as held, held.outside_transaction() as cursor:
        if database.settings.pgbouncer:  # SET would affect other clients of PgBouncer
            cursor.execute(statement)
            return
        cursor.execute("SET statement_timeout = 0")
        try:
            cursor.execute(statement)
        finally:
            cursor.execute("RESET statement_timeout")

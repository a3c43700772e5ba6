"""Classes of connections and sessions. A handler's parameter that is annotated with one of these classes receives
the handler's transaction."""

import psycopg

from queue_store.database.sqlalchemy_kinds import ASYNC, CORE, ORM, is_kind

SYNC_TRANSACTIONS = "sqlalchemy.Connection, sqlalchemy.Session, psycopg.Connection"
ASYNC_TRANSACTIONS = "sqlalchemy.AsyncConnection, sqlalchemy.AsyncSession, psycopg.AsyncConnection"


def is_sync_transaction(kind: object) -> bool:
    is_connection = kind is psycopg.Connection or is_kind(kind, CORE, "Connection")
    return is_connection or is_kind(kind, ORM, "Session")


def is_async_transaction(kind: object) -> bool:
    is_connection = kind is psycopg.AsyncConnection or is_kind(kind, ASYNC, "AsyncConnection")
    return is_connection or is_kind(kind, ASYNC, "AsyncSession")

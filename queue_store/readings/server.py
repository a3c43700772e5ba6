"""Facts about the database server and its connections."""

import logging
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import Cursor
from psycopg.rows import namedtuple_row

from queue_store.database.bounded_read import within
from queue_store.database.rows import row_as, rows_as
from queue_store.database.statements import sql

logger = logging.getLogger(__name__)

LONG_IDLE_SECONDS = 60.0
SIZE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Connections:
    """`long_idle_count`: the connections that have been idle in a transaction for more than
    LONG_IDLE_SECONDS."""

    application_name: str
    connection_count: int
    active_count: int
    waiting_count: int
    idle_in_transaction_count: int
    long_idle_count: int


@dataclass(frozen=True, slots=True)
class ConnectionHolder:
    """One combination of database, login and application, and its number of connections to the server."""

    database_name: str
    user_name: str | None
    application_name: str
    connection_count: int


@dataclass(frozen=True, slots=True)
class LongestTransaction:
    """The oldest open transaction, which may hold back vacuum, and its session."""

    pid: int
    application_name: str
    user_name: str | None
    client_address: str | None
    state: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ServerReading:
    """`takes_no_writes`: the server is a standby, or a setting of the server or of the database makes transactions
    read-only by default. A read-only default of the login does not count.

    `connections`: the connections to this database. `holders`: the five combinations of database, login and
    application with the most connections to the server."""

    server_version: str
    connection_limit: int
    connection_count: int
    up_seconds: float
    is_replica: bool
    takes_no_writes: bool
    connections: list[Connections]
    holders: list[ConnectionHolder]
    longest_transaction: LongestTransaction | None

    @property
    def connections_percent(self) -> float:
        return round(100 * self.connection_count / self.connection_limit, 1)


def read_server(cursor: Cursor[Any]) -> ServerReading:
    with cursor.connection.cursor(row_factory=namedtuple_row) as named:
        server = named.execute(sql("readings/server")).fetchone()
    if server is None:
        raise LookupError("read_server returned no row")
    parameters = {"long_idle_seconds": LONG_IDLE_SECONDS}
    return ServerReading(
        connections=rows_as(cursor.execute(sql("readings/connections"), parameters), Connections),
        holders=rows_as(cursor.execute(sql("readings/connection_holders")), ConnectionHolder),
        longest_transaction=row_as(cursor.execute(sql("readings/longest_transaction")), LongestTransaction),
        **server._asdict(),
    )


def read_database_bytes(cursor: Cursor[Any]) -> int | None:
    """The size of the database on disk. Returns None if the reading fails, or takes longer than SIZE_SECONDS: the size
    of a database with many files takes a long time. The transaction goes on in both cases."""
    try:
        with within(cursor, SIZE_SECONDS):
            row = cursor.execute(sql("readings/database_bytes")).fetchone()
    except psycopg.Error as error:
        logger.warning("the size of the database is not known: %s", error)
        return None
    return int(row[0]) if row else None

"""How the server, the database and the rights in it are set up."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from queue_store.database.rows import rows_as, the_row_as
from queue_store.database.statements import sql


@dataclass(frozen=True, slots=True)
class SetUp:
    """`clock`: the server's time. `tables_without_autovacuum`: our busy tables for which autovacuum is off."""

    server_version_number: int
    clock: datetime
    autovacuum_is_on: bool
    counts_are_tracked: bool
    extensions: list[str]
    tables_without_autovacuum: list[str]
    forgotten_prepared_transactions: list[str]


@dataclass(frozen=True, slots=True)
class Rights:
    """`roles`: our roles that the login has. `missing`: one sentence for each right that one of our roles lacks."""

    login: str
    is_owner: bool
    roles: list[str]
    missing: list[str]
    everybody_may_create: bool
    worker_logins: list[str]
    rescue_sees_sessions: bool


@dataclass(frozen=True, slots=True)
class OwnConnectionLimit:
    """A connection limit of the database or of a login, in addition to the server's limit. `worker_count`: how many of
    the open connections belong to workers. `worker_share`: the part of all the workers' connections that counts towards
    this limit, from 0 to 1."""

    holder: str
    connection_limit: int
    connection_count: int
    worker_count: int
    worker_share: float


def read_set_up(cursor: Cursor[Any], prepared_seconds: float) -> SetUp:
    """`prepared_seconds`: for how long a transaction may stay prepared before it counts as forgotten."""
    return the_row_as(cursor.execute(sql("readings/set_up"), {"prepared_seconds": prepared_seconds}), SetUp)


def read_rights(cursor: Cursor[Any]) -> Rights:
    return the_row_as(cursor.execute(sql("readings/rights"), {}), Rights)


def read_own_connection_limits(cursor: Cursor[Any]) -> list[OwnConnectionLimit]:
    """The lowest first."""
    return rows_as(cursor.execute(sql("readings/own_connection_limits"), {}), OwnConnectionLimit)

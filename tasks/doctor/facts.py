"""Reads the facts that the doctor's checks need. Each fact is read once."""

import time
from dataclasses import dataclass, replace

from queue_store.database import roles, schema
from queue_store.database.bounded_read import bounded_read
from queue_store.database.manager import DatabaseManager
from queue_store.database.pooler import read_console
from queue_store.errors import SchemaVersionError
from queue_store.readings.activity import TableReading, read_tables
from queue_store.readings.integrity import find_missing_guards
from queue_store.readings.schedule import read_schedule
from queue_store.readings.schedule_and_audit import BeatRow, read_beats
from queue_store.readings.server import ServerReading, read_server
from queue_store.readings.set_up import (
    OwnConnectionLimit,
    Rights,
    SetUp,
    read_own_connection_limits,
    read_rights,
    read_set_up,
)
from queue_store.settings import ProcessorSettings

from ..monitoring.broker import read_broker
from ..monitoring.databases import STATEMENT_SECONDS
from ..monitoring.snapshot import Snapshot, take_snapshot

PREPARED_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """`clock_ahead_seconds`: how far this host's clock is ahead of the database's. The figure is negative if this
    host's clock is behind. The figure is 0 if the clocks differ by less than the time that the query took.
    `schema_problem`: why this code cannot work with the schema. `pooler`: the settings that PgBouncer shows. `pooler`
    is empty if PgBouncer shows no settings, and None if there is no PgBouncer."""

    settings: ProcessorSettings
    set_up: SetUp
    clock_ahead_seconds: float
    server: ServerReading
    rights: Rights
    roles_are_granted: bool
    pooler: dict[str, str] | None
    tables: list[TableReading]
    own_connection_limits: list[OwnConnectionLimit]
    schema_version: str | None
    schema_problem: str | None


@dataclass(frozen=True, slots=True)
class QueueFacts:
    server: ServerFacts
    snapshot: Snapshot
    beats: list[BeatRow]
    missing_guards: list[str]


def read_server_facts(database: DatabaseManager, settings: ProcessorSettings) -> ServerFacts:
    """Raises DatabaseUnavailableError."""
    with bounded_read(database, timeout_seconds=STATEMENT_SECONDS) as cursor:
        before = time.time()
        set_up = read_set_up(cursor, PREPARED_SECONDS)
        after = time.time()
        return ServerFacts(
            settings=settings,
            set_up=set_up,
            clock_ahead_seconds=_ahead(before, set_up.clock.timestamp(), after),
            server=read_server(cursor),
            rights=read_rights(cursor),
            roles_are_granted=roles.are_granted(database),
            pooler=read_console(database.settings) if database.settings.pgbouncer else None,
            tables=read_tables(cursor),
            own_connection_limits=read_own_connection_limits(cursor),
            schema_version=schema.version_of(database),
            schema_problem=_schema_problem(database),
        )


def read_queue_facts(database: DatabaseManager, server: ServerFacts) -> QueueFacts:
    """Raises DatabaseUnavailableError, and psycopg.errors.InsufficientPrivilege for a login without a role."""
    snapshot = take_snapshot(database, server.settings, with_integrity=False)
    with bounded_read(database, timeout_seconds=STATEMENT_SECONDS) as cursor:
        return QueueFacts(
            server=server,
            snapshot=replace(snapshot, schedule=read_schedule(cursor), broker=read_broker()),
            beats=read_beats(cursor),
            missing_guards=find_missing_guards(cursor),
        )


def _ahead(before: float, clock: float, after: float) -> float:
    return after - clock if clock > after else max(before - clock, 0.0)


def _schema_problem(database: DatabaseManager) -> str | None:
    try:
        schema.check_version(database)
    except SchemaVersionError as error:
        return str(error)
    return None

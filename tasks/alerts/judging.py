"""A judgement finds what is wrong with the queue, the system, the schedule and the broker."""

import time
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from queue_store.alerting.findings import Finding
from queue_store.database import schema, versions
from queue_store.database.bounded_read import bounded_read
from queue_store.database.manager import DatabaseManager
from queue_store.errors import DatabaseUnavailableError
from queue_store.readings.schedule import read_schedule
from queue_store.schedule.recurring import database_time
from queue_store.settings import ProcessorSettings

from ..monitoring.broker import read_broker
from ..monitoring.connection_holders import remember
from ..monitoring.databases import STATEMENT_SECONDS
from ..monitoring.deadline import call_with_deadline
from ..monitoring.rules import judge, keys_held_by_stops
from ..monitoring.snapshot import take_snapshot
from .sending import register_contacts

TRIES = 3
TRY_AGAIN_SECONDS = 1.0
ANSWER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """`judged_at`: the database's time when the judgement began. `attempts`: how many tries it took until the database
    answered. `held_keys`: the keys of alerts that cannot be judged while processing is stopped. These alerts are not
    changed. `reads_broker` is False in a process without the URL of a broker. `takes_writes` is False on a standby or a
    read-only server. The findings of a judgement on such a server can be out of date."""

    judged_at: datetime
    findings: list[Finding]
    attempts: int
    response_time_ms: float
    held_keys: list[str]
    reads_broker: bool
    takes_writes: bool


def judge_everything(
    database: DatabaseManager, settings: ProcessorSettings, *, registers_as: str | None = None
) -> Judgement:
    """Tries up to TRIES times to judge, because one broken connection is not an emergency. No new try begins after
    ANSWER_SECONDS.

    `registers_as`: the kind of this process, or None for a process that notifies nobody. Before the process judges, it
    stores this kind and the names of the contacts to which it has channels.

    Raises DatabaseUnavailableError if all tries fail, or if a try gets no answer within ANSWER_SECONDS. Raises
    SchemaVersionError if the schema must be migrated first.
    """
    ends_at = time.monotonic() + ANSWER_SECONDS
    for attempt in range(1, TRIES + 1):
        try:
            return call_with_deadline(
                partial(_judge, database, settings, attempt, registers_as),
                ANSWER_SECONDS,
                thread_name="judgement",
            )
        except DatabaseUnavailableError:
            if attempt == TRIES or time.monotonic() >= ends_at:
                raise
            time.sleep(TRY_AGAIN_SECONDS)
    raise AssertionError("unreachable")


def _judge(
    database: DatabaseManager, settings: ProcessorSettings, attempt: int, registers_as: str | None
) -> Judgement:
    _refuse_old_schema(database)
    if registers_as is not None:
        register_contacts(database, settings, registers_as)
    with bounded_read(database, timeout_seconds=STATEMENT_SECONDS) as cursor:
        judged_at = database_time(cursor)
    snapshot = take_snapshot(database, settings)
    remember(settings, database.name, snapshot.server)
    with bounded_read(database, timeout_seconds=STATEMENT_SECONDS) as cursor:
        schedule = read_schedule(cursor)
    broker = read_broker()
    findings = judge(replace(snapshot, schedule=schedule, broker=broker))
    return Judgement(
        judged_at,
        findings,
        attempt,
        snapshot.response_time_ms,
        keys_held_by_stops(snapshot),
        reads_broker=broker is not None,
        takes_writes=not snapshot.server.takes_no_writes,
    )


def _refuse_old_schema(database: DatabaseManager) -> None:
    """Refuses a schema that must be migrated or is too old. Accepts a newer schema, because this code still judges
    the queue while a newer version is deployed."""
    with database.hold():
        current = schema.version_of(database)
    if versions.is_to_be_migrated(current) or versions.is_too_old(current):
        schema.check_version(database)

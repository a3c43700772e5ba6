"""Reads everything for one scrape. Counts of records come from the replica, if there is one. Everything else comes from
the primary."""

from dataclasses import dataclass

from queue_store.alerting.alerts import count_open_alerts
from queue_store.database.bounded_read import bounded_read, read_replica_lag
from queue_store.database.manager import DatabaseManager
from queue_store.errors import DatabaseUnavailableError
from queue_store.readings.activity import HeldSnapshot, read_held_snapshots
from queue_store.readings.counters import CounterReader, Counters
from queue_store.readings.endless_claims import EndlessClaims, read_endless_claims
from queue_store.readings.fleet import Fleet, read_fleet
from queue_store.readings.flow_counts import FlowCounts, read_flow_counts
from queue_store.readings.hung_handlers import HungHandler, read_hung_handlers
from queue_store.readings.schedule_and_audit import LastSigns, read_last_signs
from queue_store.readings.server import ServerReading, read_server
from queue_store.settings import ProcessorSettings

TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Records:
    flows: list[FlowCounts]
    counters: dict[str, Counters]


@dataclass(frozen=True, slots=True)
class Reading:
    """`records` and `replica_lag_seconds` are None while the replica does not answer. If no replica is configured, only
    `replica_lag_seconds` is None."""

    fleet: Fleet
    server: ServerReading
    open_alerts: dict[str, int]
    signs: LastSigns
    snapshots: list[HeldSnapshot]
    endless_claims: list[EndlessClaims]
    hung_handlers: list[HungHandler]
    records: Records | None
    replica_lag_seconds: float | None
    has_replica: bool


def read_all(database: DatabaseManager, settings: ProcessorSettings, counters: CounterReader) -> Reading:
    """Raises DatabaseUnavailableError when the primary does not answer."""
    records, lag_seconds = _read_records(database, counters)
    with bounded_read(database, timeout_seconds=TIMEOUT_SECONDS) as cursor:
        return Reading(
            read_fleet(cursor, settings),
            read_server(cursor),
            count_open_alerts(cursor),
            read_last_signs(cursor),
            read_held_snapshots(cursor),
            read_endless_claims(cursor, settings),
            read_hung_handlers(cursor, settings),
            records,
            lag_seconds,
            database.settings.replica_url is not None,
        )


def _read_records(database: DatabaseManager, counters: CounterReader) -> tuple[Records | None, float | None]:
    """If there is a replica, reads only from the replica. Counts that come from two servers in turn could shrink.
    Prometheus would treat a counter that shrinks as one that was reset."""
    try:
        with bounded_read(database, replica=True, timeout_seconds=TIMEOUT_SECONDS) as cursor:
            records = Records(read_flow_counts(cursor), counters.read(cursor))
        return records, read_replica_lag(database)
    except DatabaseUnavailableError:
        if database.settings.replica_url is None:
            raise
        return None, None

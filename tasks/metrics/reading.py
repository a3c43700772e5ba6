"""Everything that one scrape tells, read in one transaction."""

from dataclasses import dataclass
from datetime import datetime

from queue_store.alerts import Alert, read_alerts
from queue_store.database_manager import DatabaseManager
from queue_store.readings.activity import HeldSnapshot, read_held_snapshots
from queue_store.readings.counters import CounterReader, Counters
from queue_store.readings.fleet import Fleet, read_fleet
from queue_store.readings.flow_counts import FlowCounts, read_flow_counts
from queue_store.readings.server import ServerReading, read_server
from queue_store.readings.watch_keeping import BeatRow, read_beats
from queue_store.settings import ProcessorSettings

STATEMENT_TIMEOUT = "3s"


@dataclass(frozen=True, slots=True)
class Reading:
    now: datetime
    flows: list[FlowCounts]
    counters: dict[str, Counters]
    fleet: Fleet
    server: ServerReading
    alerts: list[Alert]
    beats: list[BeatRow]
    snapshots: list[HeldSnapshot]


def read_all(database: DatabaseManager, settings: ProcessorSettings, counters: CounterReader) -> Reading:
    """Raises DatabaseUnavailableError."""
    with database.transaction(replica=True) as cursor:
        cursor.execute(
            "SELECT now(), set_config('statement_timeout', %(timeout)s, true), set_config('jit', 'off', true)",
            {"timeout": STATEMENT_TIMEOUT},
        )
        row = cursor.fetchone()
        assert row is not None
        return Reading(
            row[0],
            read_flow_counts(cursor),
            counters.read(cursor),
            read_fleet(cursor, settings),
            read_server(cursor),
            [alert for alert in read_alerts(cursor) if alert.resolved_at is None],
            read_beats(cursor),
            read_held_snapshots(cursor),
        )

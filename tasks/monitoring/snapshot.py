"""Everything that the rules judge. A judgement reads the snapshot once, for all rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import Cursor

from queue_store.alerting.contacts import Contact, UnheardAlerts, read_contacts, read_unheard_alerts
from queue_store.database.bounded_read import bounded_read
from queue_store.database.manager import DatabaseManager
from queue_store.readings.endless_claims import EndlessClaims, read_endless_claims
from queue_store.readings.failing_claims import FailingClaims, read_failing_claims
from queue_store.readings.fleet import Fleet, read_fleet
from queue_store.readings.flow_counts import FlowCounts, add_up, read_flow_counts
from queue_store.readings.hung_handlers import HungHandler, read_hung_handlers
from queue_store.readings.integrity import Violation, find_violations
from queue_store.readings.orphans import OrphanGroup, read_orphans
from queue_store.readings.response_time import read_response_time_ms
from queue_store.readings.schedule import ScheduleReading
from queue_store.readings.server import ServerReading, read_server
from queue_store.readings.switches import Switches, read_switches
from queue_store.readings.trends import (
    Baseline,
    ConnectionSuccess,
    Depth,
    read_baselines,
    read_connection_success,
    read_depths,
)
from queue_store.readings.waiting_for_keys import GRACE_SECONDS, read_flows_waiting_for_keys
from queue_store.readings.windows import (
    RecentOutcomes,
    Window,
    read_claimable_seconds,
    read_recent_outcomes,
    read_window,
)
from queue_store.settings import ProcessorSettings

from .broker import BrokerReading
from .databases import STATEMENT_SECONDS

HOUR_SECONDS = 3_600.0
DAY_SECONDS = 86_400.0
RATE_MINIMUM_SECONDS = 600.0
BACKLOG_RECORDS = 500


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`recent`: the outcomes of each registered flow that is not stopped and whose oldest due record has waited for at
    least ten minutes. The outcomes are counted over this wait, but at most over the last hour. Counting begins later if
    the flow could claim nothing for a part of the wait, for example during a stop. `judged_later`: the flows that
    `recent` leaves out because their counting began less than ten minutes ago. `waiting_for_keys`: the flows in which
    no due record can be claimed, and which otherwise would be reported for a low rate or a backlog. Each due record of
    such a flow waits for an earlier record of its order_key. Records that became due in the last minute do not count.
    `recent` leaves these flows out, and their records do not count as waiting in `depths`. `schedule` and `broker` are
    None if they were not read."""

    settings: ProcessorSettings
    response_time_ms: float
    flows: list[FlowCounts]
    overall: FlowCounts
    hour: dict[str, Window]
    day: dict[str, Window]
    recent: dict[str, RecentOutcomes]
    orphans: list[OrphanGroup]
    endless_claims: list[EndlessClaims]
    failing_claims: list[FailingClaims]
    fleet: Fleet
    hung_handlers: list[HungHandler]
    switches: Switches
    server: ServerReading
    baselines: dict[str, Baseline]
    depths: list[Depth]
    connection_success: ConnectionSuccess
    waiting_for_keys: frozenset[str] = frozenset()
    judged_later: frozenset[str] = frozenset()
    contacts: list[Contact] = field(default_factory=list[Contact])
    unheard: UnheardAlerts = field(default_factory=UnheardAlerts)
    violations: list[Violation] = field(default_factory=list[Violation])
    schedule: ScheduleReading | None = None
    broker: BrokerReading | None = None

    @property
    def open(self) -> FlowCounts:
        """The summed counts of all registered flows that are not stopped. Only due records of these flows wait for
        workers."""
        return add_up(flow for flow in self.flows if flow.is_registered and not flow.is_stopped)

    @property
    def claimable(self) -> FlowCounts:
        """Like `open`, but without the flows in `waiting_for_keys`."""
        return add_up(
            flow
            for flow in self.flows
            if flow.is_registered and not flow.is_stopped and flow.flow_name not in self.waiting_for_keys
        )


def take_snapshot(
    database: DatabaseManager,
    settings: ProcessorSettings,
    *,
    orphan_timeout_seconds: float | None = None,
    with_integrity: bool = True,
    with_percentiles_of_day: bool = False,
) -> Snapshot:
    """With `with_integrity=False`, the snapshot lists no violations. With `with_percentiles_of_day=False`, the
    percentiles of the day are not read. No rule needs these percentiles, and reading them takes a long time with a
    thousand flows. Raises DatabaseUnavailableError."""
    with bounded_read(database, timeout_seconds=STATEMENT_SECONDS) as cursor:
        response_time_ms = read_response_time_ms(cursor)
        flows = read_flow_counts(cursor)
        baselines = read_baselines(cursor)
        recent, judged_later, waiting_for_keys = _read_rates(cursor, settings, flows, baselines)
        return Snapshot(
            settings=settings,
            response_time_ms=response_time_ms,
            flows=flows,
            overall=add_up(flows),
            hour=read_window(cursor, HOUR_SECONDS),
            day=read_window(cursor, DAY_SECONDS, with_histograms=with_percentiles_of_day),
            recent=recent,
            waiting_for_keys=waiting_for_keys,
            judged_later=judged_later,
            orphans=read_orphans(cursor, settings, orphan_timeout_seconds),
            endless_claims=read_endless_claims(cursor, settings),
            failing_claims=read_failing_claims(cursor),
            fleet=read_fleet(cursor, settings),
            hung_handlers=read_hung_handlers(cursor, settings, baselines),
            switches=read_switches(cursor),
            server=read_server(cursor),
            baselines=baselines,
            depths=read_depths(cursor, HOUR_SECONDS, not_waiting=waiting_for_keys),
            connection_success=read_connection_success(cursor),
            contacts=read_contacts(cursor),
            unheard=read_unheard_alerts(cursor),
            violations=find_violations(cursor, at_a_glance=True) if with_integrity else [],
        )


def _read_windows(cursor: Cursor[Any], flows: list[FlowCounts]) -> tuple[dict[str, float], frozenset[str]]:
    """Returns the time over which the rate of each flow is judged, and `judged_later` of the snapshot."""
    waited = {f.flow_name: seconds for f in flows if (seconds := rate_window_seconds(f)) is not None}
    if not waited:
        return {}, frozenset()
    claimable = read_claimable_seconds(cursor, list(waited), HOUR_SECONDS)
    windows = {
        name: min(seconds, claimable.get(name, seconds) // 60 * 60) for name, seconds in waited.items()
    }
    judged_later = frozenset(name for name, seconds in windows.items() if seconds < RATE_MINIMUM_SECONDS)
    return {name: seconds for name, seconds in windows.items() if name not in judged_later}, judged_later


def _read_rates(
    cursor: Cursor[Any],
    settings: ProcessorSettings,
    flows: list[FlowCounts],
    baselines: Mapping[str, Baseline],
) -> tuple[dict[str, RecentOutcomes], frozenset[str], frozenset[str]]:
    """Returns `recent`, `judged_later` and `waiting_for_keys` of the snapshot. Only flows with few outcomes or many due
    records, and those that are judged later, are searched for a record that can be claimed. No other flow can have a
    low rate or a backlog."""
    windows, judged_later = _read_windows(cursor, flows)
    recent = read_recent_outcomes(cursor, windows)
    due = {f.flow_name: f.due for f in flows}
    suspected = [*judged_later] + [
        name
        for name, found in recent.items()
        if settings.alert_thresholds.judge("processing_rate", found.outcomes_per_hour, name)
        or (name in baselines and found.outcomes_per_hour < baselines[name].outcomes_per_hour)
        or due[name] > BACKLOG_RECORDS
    ]
    waiting = frozenset(read_flows_waiting_for_keys(cursor, suspected, grace_seconds=GRACE_SECONDS))
    return (
        {name: found for name, found in recent.items() if name not in waiting},
        judged_later - waiting,
        waiting,
    )


def rate_window_seconds(flow: FlowCounts) -> float | None:
    """Returns the longest time over which the rate of a flow is judged: the time that due work has waited, but at most
    an hour. None if the flow has no rate to judge."""
    waited_seconds = flow.oldest_due_seconds or 0
    if not flow.due or not flow.is_registered or flow.is_stopped or waited_seconds < RATE_MINIMUM_SECONDS:
        return None
    return min(waited_seconds // 60 * 60, HOUR_SECONDS)

"""Rules about stops by operators. While a flow is stopped, no other rule judges the flow's waiting records. A stop
that lasts too long becomes a finding. A pause, or a stop of processing, becomes a finding only while records are
due."""

from collections.abc import Iterator

from queue_store.alerting.findings import Finding
from queue_store.readings.switches import Switch

from ..snapshot import BACKLOG_RECORDS, Snapshot
from .flow_rules import BACKLOG_SECONDS
from .register import rule

NO_REASON = "no reason given"
UNKNOWN_ACTOR = "somebody who left no audit row"


@rule("forgotten_stop")
def forgotten_stop(snapshot: Snapshot) -> Iterator[Finding]:
    """Ingestion has been stopped for too long, or processing has been stopped for too long while records are due.
    Yields one finding for each flow with such a stop, and one finding for stops that apply to all flows."""
    hours = snapshot.settings.stop_reminder_hours
    by_flow: dict[str | None, list[Switch]] = {}
    for switch in snapshot.switches.stopped:
        if switch.seconds > hours * 3600 and (_is_ingestion(switch) or _due(snapshot, switch.flow_name)):
            by_flow.setdefault(switch.flow_name, []).append(switch)
    for flow_name, stops in by_flow.items():
        longest = max(stops, key=lambda stop: stop.seconds)
        yield Finding(
            code="forgotten_stop",
            level="warning",
            message=f"{_sentence(stops)}, for more than {hours:g} h: {_effect(stops, _due(snapshot, flow_name))}.",
            next_step=f"ask {longest.actor or 'the operators'} whether that is still intended, then {_resume(stops)}",
            flow_name=flow_name,
            figure=round(longest.seconds / 3600, 2),
            threshold=hours,
        )


def keys_held_by_stops(snapshot: Snapshot) -> list[str]:
    """Returns the keys of alerts that do not change during a stop. The records that caused these alerts still wait, but
    no rule judges them until the stop ends. Alerts about the rate do not change until the rate is judged again."""
    rates = ("processing_rate", "rate_below_usual")
    held = [f"{code}:{name}" for code in rates for name in snapshot.judged_later]
    stopped = [flow for flow in snapshot.flows if flow.is_registered and flow.is_stopped and flow.due]
    if not stopped:
        return held
    names = [flow.flow_name for flow in stopped]
    held += [f"{code}:{name}" for code in rates for name in names]
    held += [f"flow_not_served:{name}" for name in names if name not in snapshot.fleet.served_flows]
    if not snapshot.fleet.served_flows:
        held.append("all_workers_gone")
    waits_for_long = (snapshot.overall.oldest_due_seconds or 0) > BACKLOG_SECONDS
    if snapshot.overall.due > BACKLOG_RECORDS and waits_for_long:
        held.append("backlog")
    return held


def _is_ingestion(switch: Switch) -> bool:
    return switch.what == "ingestion stopped"


def _due(snapshot: Snapshot, flow_name: str | None) -> int:
    return sum(flow.due for flow in snapshot.flows if flow_name in (None, flow.flow_name))


def _sentence(stops: list[Switch]) -> str:
    """Names only the actor and the reason of the first stop. Usually all stops have the same actor and reason,
    because `stop --all` stops both ingestion and processing."""
    first = stops[0]
    what = " and ".join(stop.what for stop in stops)
    return (
        f"{first.flow_name or 'All flows'}: {what} since {first.since:%Y-%m-%d %H:%M:%S %Z} by "
        f"{first.actor or UNKNOWN_ACTOR} ({first.reason or NO_REASON})"
    )


def _effect(stops: list[Switch], due: int) -> str:
    effects = ["new records are refused"] if any(_is_ingestion(stop) for stop in stops) else []
    if not all(_is_ingestion(stop) for stop in stops):
        effects.append(f"{due} due records wait")
    return " and ".join(effects)


def _resume(stops: list[Switch]) -> str:
    flow_name = stops[0].flow_name
    if flow_name is None:
        whats = {stop.what for stop in stops}
        option = "--all" if len(whats) > 1 else "--ingestion" if _is_ingestion(stops[0]) else "--processing"
        return f"queuectl resume {option}"
    return " and ".join(
        f"queuectl resume {flow_name}{' --ingestion' if _is_ingestion(stop) else ''}" for stop in stops
    )

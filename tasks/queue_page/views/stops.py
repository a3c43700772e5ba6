"""The stops by operators. Every page shows a stop as long as the stop lasts."""

from typing import Any

from queue_store.readings.switches import Switch, read_switches

from .request import ViewRequest

STOPS_AT_MOST = 20


def stops(request: ViewRequest) -> dict[str, Any]:
    """Returns the number of stops, and at most STOPS_AT_MOST of them. A stop that applies to all flows comes before
    stops of single flows."""
    stopped = read_switches(request.cursor).stopped
    return {"count": len(stopped), "stops": [_said(stop) for stop in stopped[:STOPS_AT_MOST]]}


def _said(stop: Switch) -> dict[str, Any]:
    return {
        "what": stop.what,
        "flow_name": stop.flow_name,
        "since": stop.since,
        "actor": stop.actor,
        "reason": stop.reason,
    }

"""Handlers that have run far longer than is usual for their flow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor

from queue_store.database.rows import rows_as
from queue_store.database.statements import sql
from queue_store.readings.trends import Baseline, read_baselines
from queue_store.readings.windows import Window, read_window
from queue_store.settings import ProcessorSettings
from queue_store.thresholds import Thresholds

DAY_SECONDS = 86_400.0
USUAL_SHARE = 0.95  # the percentile of the durations of the handler's calls in the last day


@dataclass(frozen=True, slots=True)
class HandlerInHand:
    """`quiet_seconds`: the time since the handler began, or since it last reported progress."""

    flow_name: str
    record_id: int
    claim_number: int
    flow_instance_id: UUID
    worker_process_id: UUID
    hostname: str
    pid: int
    since: datetime
    running_seconds: float
    quiet_seconds: float
    time_limit_seconds: float | None


@dataclass(frozen=True, slots=True)
class HungHandler:
    """`usual_seconds` is None for a flow without history. `allowed_seconds`: if the handler is quiet for longer than
    this, it counts as hung."""

    handler: HandlerInHand
    usual_seconds: float | None
    allowed_seconds: float

    @property
    def text(self) -> str:
        handler = self.handler
        usual = "its usual time is not known"
        if self.usual_seconds is not None:
            usual = f"usually at most {self.usual_seconds:.3g} s"
        return (
            f"record {handler.record_id} in process {handler.pid} on {handler.hostname} since "
            f"{handler.since:%Y-%m-%d %H:%M:%S %Z} ({handler.running_seconds:.0f} s; {usual})"
        )


def read_hung_handlers(
    cursor: Cursor[Any], settings: ProcessorSettings, baselines: Mapping[str, Baseline] | None = None
) -> list[HungHandler]:
    """The handlers that hang, the longest-running first. `baselines`: pass them if you have read them already."""
    in_hand = read_handlers_in_hand(cursor, settings)
    if not in_hand:
        return []
    day = read_window(cursor, DAY_SECONDS, sorted({handler.flow_name for handler in in_hand}))
    usual = read_baselines(cursor) if baselines is None else baselines
    return _judge(in_hand, day, usual, settings.alert_thresholds)


def read_handlers_in_hand(cursor: Cursor[Any], settings: ProcessorSettings) -> list[HandlerInHand]:
    """The handlers that have run for at least the lowest `hung_handler_seconds` of all flows, the longest-running
    first."""
    thresholds = settings.alert_thresholds
    parameters = {
        "lease_seconds": settings.lease_seconds,
        "seconds": min(thresholds.of(name)["hung_handler_seconds"] for name in [None, *thresholds.flows]),
    }
    return rows_as(cursor.execute(sql("readings/handlers_in_hand"), parameters), HandlerInHand)


def _judge(
    in_hand: Sequence[HandlerInHand],
    day: Mapping[str, Window],
    baselines: Mapping[str, Baseline],
    thresholds: Thresholds,
) -> list[HungHandler]:
    hung: list[HungHandler] = []
    for handler in in_hand:
        usual_seconds = _usual_seconds(day.get(handler.flow_name), baselines.get(handler.flow_name))
        of_flow = thresholds.of(handler.flow_name)
        allowed_seconds = of_flow["hung_handler_seconds"]
        if usual_seconds is not None:
            allowed_seconds = max(allowed_seconds, of_flow["hung_handler_factor"] * usual_seconds)
        else:
            first = of_flow["hung_handler_seconds_without_history"]
            allowed_seconds = max(allowed_seconds, first, handler.time_limit_seconds or 0)
        if handler.quiet_seconds > allowed_seconds:
            hung.append(HungHandler(handler, usual_seconds, allowed_seconds))
    return hung


def _usual_seconds(day: Window | None, baseline: Baseline | None) -> float | None:
    """How long the flow's handler usually runs: the longer of the times for the last day and for this hour of the
    week."""
    known = [
        day and day.processing_percentile(USUAL_SHARE),
        baseline and baseline.processing_seconds,
    ]
    return max((seconds for seconds in known if seconds is not None), default=None)

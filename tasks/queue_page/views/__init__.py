"""The views of the page, by name. Each view is a function that takes a ViewRequest."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from queue_store.database.bounded_read import lag_seconds
from queue_store.settings import load_processor_settings

from ..arguments import Arguments
from ..database import has_replica, reading
from . import alerts, database, failures, fleet, overview, records, schedule_and_audit, stops
from .request import ViewRequest

View = Callable[[ViewRequest], Any]

VIEWS: dict[str, View] = {
    "overview": overview.overview,
    "charts": overview.charts,
    "flow": overview.flow,
    "records": records.records,
    "record": records.record,
    "failures": failures.failures,
    "attempts": failures.attempts,
    "runs": fleet.runs,
    "run": fleet.run,
    "processes": fleet.processes,
    "alerts": alerts.alerts,
    "schedule": schedule_and_audit.schedule,
    "audit": schedule_and_audit.audit,
    "database": database.database,
    "stops": stops.stops,
}
# The views in LARGE_VIEWS read from the replica, if there is one. All other views read from the primary. A replica that
# lags behind would show living workers as silent. The state of a server can be read only from that server.
LARGE_VIEWS = {VIEWS[name] for name in ("charts", "records", "failures", "attempts", "audit")}


@dataclass(frozen=True, slots=True)
class Shown:
    """`replica_lag_seconds` is None if the answer does not come from a replica."""

    answer: Any
    replica_lag_seconds: float | None


def read_view(view: View, arguments: Arguments, celery_app: Any) -> Shown:
    """Raises BadInputError, UnknownRecordError, UnknownFlowError, UnknownRunError, DatabaseUnavailableError."""
    is_large = view in LARGE_VIEWS
    with reading(replica=is_large) as cursor:
        answer = view(ViewRequest(cursor, load_processor_settings(), arguments, celery_app))
        return Shown(answer, lag_seconds(cursor) if is_large and has_replica() else None)

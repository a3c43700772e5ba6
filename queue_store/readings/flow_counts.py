"""How many records there are, by flow and status."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from psycopg import Cursor

from queue_store.counts.rollups import COUNT_LIMIT
from queue_store.database.index_plans import index_plans
from queue_store.database.rows import rows_as
from queue_store.database.statements import sql


@dataclass(frozen=True, slots=True)
class FlowCounts:
    """`is_approximate`: a count reached its limit, so `pending` is computed from the totals. `due` is exact if the
    count of due records stayed below the limit. Otherwise `due` is computed from `pending`. But if the count of records
    that are due later also reached the limit, `due` is a lower bound. `is_registered`: False for a name that has
    records but is not a flow, such as a mistyped name. No handler runs for the records of such a name."""

    flow_name: str
    total: int
    pending: int
    due: int
    processing: int
    completed: int
    failed: int
    cancelled: int
    is_approximate: bool
    oldest_due_seconds: float | None
    is_stopped: bool
    is_registered: bool
    batch_size: int | None


def read_flow_counts(cursor: Cursor[Any], flow_name: str | None = None) -> list[FlowCounts]:
    """Every registered flow, and every other name that has records. With `flow_name`, only this name is returned, if
    it exists."""
    parameters = {"limit": COUNT_LIMIT, "flow_name": flow_name}
    with index_plans(cursor):
        return rows_as(cursor.execute(sql("readings/flow_counts"), parameters), FlowCounts)


def add_up(flows: Iterable[FlowCounts], name: str = "all flows") -> FlowCounts:
    """The sum of several flows. `is_stopped`: records are due, and none of them may be claimed."""
    flows = list(flows)
    waits = [flow.oldest_due_seconds for flow in flows if flow.oldest_due_seconds is not None]
    return FlowCounts(
        flow_name=name,
        total=sum(flow.total for flow in flows),
        pending=sum(flow.pending for flow in flows),
        due=sum(flow.due for flow in flows),
        processing=sum(flow.processing for flow in flows),
        completed=sum(flow.completed for flow in flows),
        failed=sum(flow.failed for flow in flows),
        cancelled=sum(flow.cancelled for flow in flows),
        is_approximate=any(flow.is_approximate for flow in flows),
        oldest_due_seconds=max(waits, default=None),
        is_stopped=all(flow.is_stopped for flow in flows if flow.due) and any(flow.due for flow in flows),
        is_registered=True,
        batch_size=None,
    )

"""The flows in the database: what workers declared, what operators set, and which flows have work."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Cursor
from psycopg.types.json import Jsonb

from queue_store.database.arrays import TextArray
from queue_store.database.index_plans import index_plans
from queue_store.database.rows import row_as, rows_as
from queue_store.database.statements import sql

COUNT_LIMIT = 1_000
KEY_LIMIT = 10_000  # For each flow, a look makes at most this many steps from order key to order key.

# For each flow in which this process' last look found nothing: the order key after which the next look begins. A key of
# another database, or of records that are gone, does no harm: a look that reaches the last key continues with the first
# key.
_stopped_at_keys: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class FlowDeclaration:
    flow_name: str
    celery_queue: str
    batch_size: int
    max_runs: int | None
    max_retries: int
    orphan_timeout_seconds: float
    declared: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FlowWithWork:
    """`due_records` is counted up to COUNT_LIMIT for each priority. The records with order keys are counted
    together, up to COUNT_LIMIT. In a flow with more than KEY_LIMIT order keys, `due_records` may be too small.
    `worker_processes`: how many processes serve the flow. `fewest_flows`: the lowest number of flows that one of these
    processes serves, or None if there is no such process."""

    flow_name: str
    celery_queue: str
    batch_size: int
    due_records: int
    waited_seconds: float
    alive_runs: int
    max_runs: int | None
    worker_processes: int
    fewest_flows: int | None = None
    stopped_at_key: str | None = None

    @property
    def runs_wanted(self) -> int:
        """The number of further runs that can start: one for each batch of due records, limited by `max_runs` and the
        number of worker processes."""
        batches = -(-self.due_records // self.batch_size)
        room = min(max(1, self.worker_processes), self.max_runs or self.worker_processes or 1)
        return max(0, min(batches, room - self.alive_runs))


def register(cursor: Cursor[Any], declarations: Sequence[FlowDeclaration]) -> None:
    """Registers the flows. A repeated call with the same declarations changes nothing. The flows are locked in the
    order of their names, so that workers that start together do not deadlock."""
    for declaration in sorted(declarations, key=lambda d: d.flow_name):
        cursor.execute(
            sql("flows/register_flow"),
            {
                "flow_name": declaration.flow_name,
                "celery_queue": declaration.celery_queue,
                "batch_size": declaration.batch_size,
                "max_runs": declaration.max_runs,
                "max_retries": declaration.max_retries,
                "orphan_timeout_seconds": declaration.orphan_timeout_seconds,
                "declared": Jsonb(declaration.declared),
            },
        )


def with_work(
    cursor: Cursor[Any],
    celery_queues: Sequence[str] | None = None,
    *,
    except_flow_name: str | None = None,
) -> list[FlowWithWork]:
    """Flows with due records, of all Celery queues or of the given ones. Paused flows are left out, and no flow is
    returned while processing is stopped. The flow whose oldest due record has waited longest comes first.
    `except_flow_name`: the flow that the caller is running now, which is left out. Searching that flow for due records
    would be slow: the search would read the dead index entries of all records that were claimed since the last vacuum.

    One look sees at most KEY_LIMIT order keys of a flow, and the COUNT_LIMIT oldest due records of each priority. If
    none of these records can be claimed, the next look of this process goes on after the last key that was seen."""
    stopped = list(_stopped_at_keys.items())
    parameters = {
        "count_limit": COUNT_LIMIT,
        "except_flow_name": except_flow_name,
        "celery_queues": list(celery_queues) if celery_queues is not None else None,
        "key_limit": KEY_LIMIT,
        "stopped_flow_names": TextArray(flow_name for flow_name, _ in stopped),
        "stopped_at_keys": TextArray(key for _, key in stopped),
    }
    with index_plans(cursor):
        flows = rows_as(cursor.execute(sql("flows/flows_with_work"), parameters), FlowWithWork)
    for flow in flows:
        _go_on_after(flow)
    return [flow for flow in flows if flow.due_records]


def _go_on_after(flow: FlowWithWork) -> None:
    """Notes after which key the next look at the flow goes on. After a look that found work, notes nothing, so the next
    look sees the same keys and finds that work again."""
    if flow.due_records:
        return
    if flow.stopped_at_key is None:
        _stopped_at_keys.pop(flow.flow_name, None)
    else:
        _stopped_at_keys[flow.flow_name] = flow.stopped_at_key


def read_flow_names(cursor: Cursor[Any]) -> set[str]:
    return {row[0] for row in cursor.execute(sql("flows/flow_names")).fetchall()}


@dataclass(frozen=True, slots=True)
class FlowTuning:
    """The values that a flow declares, and the values that operators set instead."""

    declared_batch_size: int | None = None
    batch_size_override: int | None = None
    declared_max_runs: int | None = None
    max_runs_override: int | None = None

    @property
    def batch_size(self) -> int | None:
        return self.batch_size_override or self.declared_batch_size

    @property
    def max_runs(self) -> int | None:
        """None means any number of runs."""
        return self.max_runs_override or self.declared_max_runs


def tune(
    cursor: Cursor[Any],
    flow_name: str,
    *,
    batch_size: int | None,
    max_runs: int | None,
    to_declared: bool,
    actor: str,
) -> FlowTuning:
    """Sets the values that are given. With `to_declared`, the declared batch size and number of runs apply again,
    except where a value is given."""
    parameters = {
        "flow_name": flow_name,
        "actor": actor,
        "batch_size": batch_size,
        "sets_batch_size": batch_size is not None or to_declared,
        "max_runs": max_runs,
        "sets_max_runs": max_runs is not None or to_declared,
    }
    return row_as(cursor.execute(sql("flows/tune_flow"), parameters), FlowTuning) or FlowTuning()


def note_failed_claim(cursor: Cursor[Any], flow_name: str, error: str) -> None:
    """Notes that a claim of the flow failed. When a later claim of the same process succeeds, that process calls
    `forget_failed_claims`."""
    cursor.execute(sql("flows/note_failed_claim"), {"flow_name": flow_name, "error": error})


def forget_failed_claims(cursor: Cursor[Any], flow_name: str) -> None:
    cursor.execute(sql("flows/forget_failed_claims"), {"flow_name": flow_name})

"""An express slice inside a handler's own transaction: one COMMIT covers the handler's rows and the records'
outcomes.

hold_in     before the first handler: locks the next due records in the transaction; they stay pending
settle_in   after the last handler: claims and completes the records with one UPDATE

A rollback releases the records, and charges no attempt. queue_store/runs/express.py explains the marks that a rollback
leaves in the rows.
"""

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncCursor, Cursor

from queue_store.database.statements import sql
from queue_store.records.record import Outcome, Record, Written
from queue_store.runs.async_writing import send_in_async
from queue_store.runs.claimer import decode_later
from queue_store.runs.express import hold_parameters, read_held, write_held
from queue_store.runs.outcomes import held_statements
from queue_store.runs.queue_position import claim_parameters
from queue_store.runs.run import Run


def hold_in(run: Run, cursor: Cursor[Any], batch_size: int, idle_seconds: float) -> list[Record]:
    """Locks the next due records and returns them; they stay pending. Returns an empty list if no record is due at or
    after the run's position, if the flow is paused, if processing is stopped, or if the run is no longer running.
    Raises NotExpressError."""
    parameters = hold_parameters(run, batch_size, idle_seconds, is_one_commit=True)
    decode_later(cursor)
    cursor.execute(sql("runs/begin_slice"), parameters)
    records = read_held(run, cursor.execute(sql("runs/hold_records"), parameters).fetchall(), batch_size)
    cursor.execute(sql("runs/plan_as_connected"))
    return records


async def hold_in_async(
    run: Run, cursor: AsyncCursor[Any], batch_size: int, idle_seconds: float
) -> list[Record]:
    """Like `hold_in`, over an asynchronous connection."""
    parameters = hold_parameters(run, batch_size, idle_seconds, is_one_commit=True)
    decode_later(cursor)
    await cursor.execute(sql("runs/begin_slice"), parameters)
    await cursor.execute(sql("runs/hold_records"), parameters)
    records = read_held(run, await cursor.fetchall(), batch_size)
    await cursor.execute(sql("runs/plan_as_connected"))
    return records


def settle_in(run: Run, cursor: Cursor[Any], outcomes: Sequence[Outcome]) -> Written:
    """Call this when the handlers of these records have returned. The caller then commits, or rolls back if ids were
    refused."""
    cursor.execute(sql("runs/plan_once"), run.parameters)
    written, _ = write_held(run, cursor, _parameters(run, outcomes), outcomes, [])
    return written


async def settle_in_async(run: Run, cursor: AsyncCursor[Any], outcomes: Sequence[Outcome]) -> Written:
    """Like `settle_in`, over an asynchronous connection."""
    statements = held_statements(_parameters(run, outcomes), outcomes, [], run.options.max_retries)
    return await send_in_async(run, cursor, statements, outcomes)


def _parameters(run: Run, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    claim = claim_parameters(run.options.flow_name, run.flow_instance_id, len(outcomes))
    return claim | {"claimed_at": outcomes[0].record.claimed_at, "mark": None}

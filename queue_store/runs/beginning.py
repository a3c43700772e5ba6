"""How a run begins: one transaction registers the run and claims its first batch, usually in one round trip before the
COMMIT. If the run begins with a slice, the transaction claims nothing."""

from typing import Any

from psycopg import Cursor

from queue_store.database.cursors import OwnCursor
from queue_store.database.held_connection import HeldConnection
from queue_store.database.statements import sql
from queue_store.records.record import Record
from queue_store.runs.claimer import Claimer


def register_and_claim(
    held: HeldConnection,
    cursor: Cursor[Any],
    run_parameters: dict[str, Any],
    claimer: Claimer,
    batch_size: int,
    *,
    at_once: bool = True,
) -> tuple[int, list[Record] | None]:
    """Returns the flow's batch size, and the batch. The batch is None if the run cannot begin or finds no record. The
    caller must then roll back, so that no run is registered. The batch is empty if the run begins with a slice. A run
    begins with a claim instead of a slice if its flow has suspects, has no due record, or has other runs (which may
    hold all due records). `batch_size`: the flow's batch size when it was last read. `at_once`: first claim with
    `batch_size`, and only then read the flow's present batch size. If that claim found records, but the batch size has
    changed or the flow has suspects, the transaction is rolled back and begins again."""
    wants_slice = claimer.options.first_slice > 0
    at_once = at_once and not wants_slice and not claimer.position.next_is_aging
    registering = OwnCursor(cursor.connection, binary=True)
    with held.first_pipeline(cursor):
        cursor.execute(sql("runs/lock_flow"), run_parameters | {"lock_timeout": None})
        registering.execute(
            sql("runs/register_run"), run_parameters | {"predecessor": None, "wants_slice": wants_slice}
        )
        if at_once:
            claimer.send(cursor, batch_size)
    registered = registering.fetchone()
    if registered is None:
        return batch_size, None
    right_size, has_suspects, slice_may_come_first = registered
    if wants_slice and slice_may_come_first and not has_suspects:
        return right_size, []
    records = claimer.read(cursor) if at_once else []
    if records and (has_suspects or right_size != batch_size):
        held.undo()
        return register_and_claim(held, cursor, run_parameters, claimer, right_size, at_once=False)
    if records:
        claimer.sent_alone(found=True)
    else:
        records = claimer.claim(cursor, right_size, has_suspects=has_suspects, was_sent=at_once)
    return right_size, records or None

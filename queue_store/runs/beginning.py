"""How a run begins: one transaction registers the run and claims its first batch. This usually takes one round trip
before the COMMIT."""

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
) -> tuple[int, list[Record]]:
    """Returns the flow's batch size, and the batch. If the batch is empty, the caller must roll back, so that no
    run is registered. `batch_size`: the flow's batch size as last known. `at_once`: claim with this batch size,
    before the flow's present batch size is read. If that claim found records, but the batch size has changed or the
    flow has suspects, the transaction is rolled back and begins again."""
    at_once = at_once and not claimer.position.next_is_aging
    registering = OwnCursor(cursor.connection, binary=True)
    with held.first_pipeline(cursor):
        cursor.execute(sql("runs/lock_flow"), run_parameters)
        registering.execute(sql("runs/register_run"), run_parameters)
        if at_once:
            claimer.send(cursor, claimer.options.first_size(batch_size))
    registered = registering.fetchone()
    if registered is None:
        return batch_size, []
    right_size, has_suspects = registered
    records = claimer.read(cursor) if at_once else []
    if records and (has_suspects or right_size != batch_size):
        held.undo()
        return register_and_claim(held, cursor, run_parameters, claimer, right_size, at_once=False)
    if records:
        claimer.sent_alone(found=True)
    else:
        size = claimer.options.first_size(right_size)
        records = claimer.claim(cursor, size, suspects_first=has_suspects, was_sent=at_once)
    return right_size, records

"""Flow names that have records but are not registered. Usually somebody mistyped the name of a flow when enqueueing
by SQL. No worker claims these records."""

from functools import partial
from typing import Any

from psycopg import Cursor

from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.enqueueing.connections import run
from queue_store.enqueueing.steps import refuse_flow
from queue_store.errors import RegisteredFlowError
from queue_store.flow_names import is_flow_name
from queue_store.flows import read_flow_names
from queue_store.operators.audit import audit
from queue_store.operators.record_chunks import CHUNK_RECORDS, MoveResult, retry_on_conflict, shown_ids
from queue_store.progress import OnProgress
from queue_store.suggestions import closest


def check_registered(cursor: Cursor[Any], flow_name: str) -> None:
    """Raises UnknownFlowError if no flow with this name is registered."""
    if not is_flow_name(flow_name) or flow_name not in read_flow_names(cursor):
        run(cursor, refuse_flow(flow_name))


def check_flow_or_records(cursor: Cursor[Any], flow_name: str) -> bool:
    """Whether the name is registered. Raises UnknownFlowError if the name is not registered and has no records
    either."""
    if not is_flow_name(flow_name):
        run(cursor, refuse_flow(flow_name))
    row = cursor.execute(sql("flows/has_records"), {"flow_name": flow_name}).fetchone()
    is_registered, has_records = row or (False, False)
    if not is_registered and not has_records:
        run(cursor, refuse_flow(flow_name))
    return bool(is_registered)


def meant_flow(cursor: Cursor[Any], flow_name: str) -> str | None:
    """Returns the flow whose name is most similar to the mistyped name. Returns None if no name is similar."""
    return closest(flow_name, read_flow_names(cursor))


def check_movable(cursor: Cursor[Any], flow_name: str, to_flow_name: str) -> None:
    """Raises UnknownFlowError if `to_flow_name` is not registered. Also calls `check_no_flow` for `flow_name`, and
    passes on its errors."""
    if not check_flow_or_records(cursor, to_flow_name):
        run(cursor, refuse_flow(to_flow_name))
    check_no_flow(cursor, flow_name)


def check_no_flow(cursor: Cursor[Any], flow_name: str) -> None:
    """Raises RegisteredFlowError for the name of a flow, because the workers of that flow must not lose its records.
    Raises UnknownFlowError for a name without records."""
    if check_flow_or_records(cursor, flow_name):
        raise RegisteredFlowError(
            f"{flow_name} is a registered flow: only records under a name that is not a flow can be moved"
        )


def move(
    database: DatabaseManager, flow_name: str, to_flow_name: str, *, actor: str, on_progress: OnProgress
) -> MoveResult:
    """Move the pending and failed records of the name to a flow, in chunks. Raises the errors of `check_movable`."""
    with database.transaction() as cursor:
        check_movable(cursor, flow_name, to_flow_name)
    done, after_id, done_count = MoveResult(), 0, 0
    while True:
        chunk = {
            "flow_name": flow_name,
            "to_flow_name": to_flow_name,
            "after_id": after_id,
            "limit": CHUNK_RECORDS,
        }
        rows = retry_on_conflict(partial(_move_chunk, database, chunk, actor))
        done.pending_ids += [record_id for record_id, status in rows if status == "pending"]
        done.failed_ids += [record_id for record_id, status in rows if status == "failed"]
        done.skipped_ids += [record_id for record_id, status in rows if status is None]
        done_count += len(rows)
        on_progress(done_count)
        if len(rows) < CHUNK_RECORDS:
            return done
        after_id = rows[-1][0]


def _move_chunk(database: DatabaseManager, chunk: dict[str, Any], actor: str) -> list[tuple[int, str | None]]:
    with database.transaction() as cursor:
        rows = cursor.execute(sql("operators/move_records"), chunk).fetchall()
        moved = [record_id for record_id, status in rows if status is not None]
        details = {"flow_name": chunk["flow_name"], "to_flow_name": chunk["to_flow_name"]}
        if moved:
            audit(cursor, actor, "move", shown_ids(moved), len(moved), details)
    return rows

"""Stores the end of a run, in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from psycopg import Cursor

from queue_store.database.arrays import NumberArray
from queue_store.database.cursors import OwnCursor
from queue_store.database.statements import sql
from queue_store.records.record import Completed, Outcome
from queue_store.runs.claimer import Claimer
from queue_store.runs.options import RunCounts
from queue_store.runs.queue_position import LEVELS

_LEVELS = NumberArray(LEVELS)


def may_end_with(outcomes: Sequence[Outcome], claimer: Claimer) -> bool:
    """Returns False if an outcome can make its record due again: the transaction that writes this outcome would not see
    the record as due, and would end the run too early. Also returns False after a claim of suspects, and in a key scan
    (see QueuePosition)."""
    is_plain = not claimer.claimed_suspects and not claimer.position.uses_key_scan
    return is_plain and all(outcome.__class__ is Completed for outcome in outcomes)


def send_end_if_idle(
    cursor: Cursor[Any], run_parameters: dict[str, Any], counts: RunCounts, completed: int
) -> OwnCursor:
    """Call this in a pipeline. The returned cursor has a row if the run ended. A run ends here if none of its records
    is processing, and its flow has neither a due record nor a pending suspect. `completed`: how many records this
    transaction completes; `counts` does not contain them yet."""
    counted = replace(counts, records_completed=counts.records_completed + completed)
    ending = OwnCursor(cursor.connection, binary=True)
    ending.execute(sql("runs/end_idle_run"), run_parameters | {"levels": _LEVELS} | counted.parameters())
    return ending


def send_end(
    cursor: Cursor[Any],
    run_parameters: dict[str, Any],
    counts: RunCounts,
    *,
    error_message: str | None = None,
    leaves_unfinished: bool = False,
    is_alone: bool = False,
) -> None:
    """Call this in a pipeline. `is_alone`: the caller writes nothing else in the transaction."""
    end = {"error_message": error_message, "leaves_unfinished": leaves_unfinished, "is_alone": is_alone}
    OwnCursor(cursor.connection).execute(sql("runs/end_run"), run_parameters | end | counts.parameters())
    OwnCursor(cursor.connection).execute(sql("runs/settle_run"), run_parameters)


def declare_dead(
    cursor: Cursor[Any], run_parameters: dict[str, Any], suspect_record_id: int | None, error_message: str
) -> None:
    """Notes that the run has died, although its process lives."""
    death = {"error_message": error_message, "suspect_record_id": suspect_record_id, "lease_seconds": None}
    cursor.execute(sql("runs/plan_once"), run_parameters)
    cursor.execute(sql("liveness/declare_run_dead"), run_parameters | death)

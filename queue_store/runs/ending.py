"""How a run says that it ends, in a transaction of its caller."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from psycopg import Cursor

from queue_store.database.cursors import OwnCursor
from queue_store.database.statements import sql
from queue_store.records.record import Completed, Outcome, Written
from queue_store.runs.claimer import Claimer
from queue_store.runs.options import RunCounts


def may_end_with(outcomes: Sequence[Outcome], counts: RunCounts, batch_size: int, claimer: Claimer) -> bool:
    """Whether it is likely that nothing is due: the run claimed once, and less than it wanted. What an outcome makes
    due again is for a later transaction to see. The next claim is then the last look, at all records."""
    is_short = counts.batch_count == 1 and counts.records_claimed < batch_size
    is_plain = not claimer.claimed_suspects and not claimer.position.uses_key_scan
    if not is_short or not is_plain or not all(outcome.__class__ is Completed for outcome in outcomes):
        return False
    claimer.position.drop()
    return True


def send_end(
    cursor: Cursor[Any],
    run_parameters: dict[str, Any],
    counts: RunCounts,
    *,
    error_message: str | None = None,
    leaves_unfinished: bool = False,
    is_alone: bool = False,
    unless_suspects: bool = False,
) -> bool:
    """Whether the run ended now. `is_alone`: the caller writes nothing else in the transaction. `unless_suspects`: the
    run goes on where its flow has suspects, which it may have to claim."""
    end = {
        "error_message": error_message,
        "leaves_unfinished": leaves_unfinished,
        "is_alone": is_alone,
        "unless_suspects": unless_suspects,
    }
    ending = OwnCursor(cursor.connection, binary=True)
    with cursor.connection.pipeline():
        ending.execute(sql("runs/end_run"), run_parameters | end | counts.parameters())
        cursor.execute(sql("runs/settle_run"), run_parameters)
    return ending.fetchone() is not None


def end_unless_suspects(
    cursor: Cursor[Any], run_parameters: dict[str, Any], counts: RunCounts, written: Written
) -> bool:
    """Whether the run ended now. `written`: in this transaction, and not counted yet."""
    counts = replace(counts)
    counts.add(written)
    return send_end(cursor, run_parameters, counts, unless_suspects=True)

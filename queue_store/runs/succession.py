"""Ends a short run and begins the next run, of another flow, in one transaction.

If many flows have a few records each, succession saves every second COMMIT and half of the round trips. A run is short
if its only batch had fewer records than the run asked for, or if its express slice had all due records. The successor
begins after a savepoint. If the successor claims nothing, a rollback to the savepoint removes the successor. The
successor does not wait long for locks: if the row of its flow stays locked, the first run ends without a successor.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import Cursor

from queue_store.database.cursors import OwnCursor
from queue_store.database.statements import sql
from queue_store.errors import CommitUnknownError, DatabaseUnavailableError, QueueStoreError
from queue_store.records.record import Outcome, Record, Written
from queue_store.runs.ending import may_end_with, send_end_if_idle
from queue_store.runs.outcomes import has_follow_ups, read_all_written
from queue_store.runs.run import Run

SAVEPOINT = "successor"


def exchange_or_end(run: Run, outcomes: Sequence[Outcome]) -> tuple[Written, list[Record]]:
    """Write outcomes and claim the next batch, as `Run.exchange` does. But if the run is short and nothing is due, the
    run ends instead, and its successor begins in the same transaction."""
    is_plain = not run.claimer.next_is_for_suspects and not has_follow_ups(outcomes)
    asked = run.options.first_size(run.batch_size)
    is_short = run.counts.batch_count == 1 and run.counts.records_claimed < asked
    if is_plain and (is_short or run.has_all) and may_end_with(outcomes, run.claimer):
        return _end_with(run, outcomes), []
    return run.exchange(outcomes)


def _end_with(run: Run, outcomes: Sequence[Outcome]) -> Written:
    """The run goes on if something is due or an outcome is refused. `run.successor` is set only if the successor has
    claimed records, or may have claimed some."""
    successor = run.new_successor() if run.new_successor else None
    if successor is None or successor.position.next_is_aging:
        return _write_and_end(run, outcomes, None)
    try:
        return _write_and_end(run, outcomes, successor)
    except CommitUnknownError:
        successor.is_in_doubt = True
        run.successor = successor
        raise
    except DatabaseUnavailableError:
        raise
    except (QueueStoreError, psycopg.Error):
        # The successor may have caused the error. If so, it raises the error again when it begins in its own
        # transaction.
        return _write_and_end(run, outcomes, None)


def _write_and_end(run: Run, outcomes: Sequence[Outcome], successor: Run | None) -> Written:
    statements, written = run.outcome_statements(outcomes), Written()
    records: list[Record] = []
    with run.held.transaction() as cursor:
        with run.held.first_pipeline(cursor):
            writers = run.send_statements(cursor, statements)
            ending = send_end_if_idle(cursor, run.parameters, run.counts, len(outcomes))
            beginning = _Beginning(successor, cursor) if successor else None
        read_all_written(writers, statements, written)
        is_ended = ending.fetchone() is not None
        if written.refused_ids:
            run.held.undo()
        elif beginning and not (records := beginning.read() if is_ended else []):
            run.held.undo_to(SAVEPOINT)
    if written.refused_ids:
        return run.write(outcomes)
    run.is_ended = is_ended
    run.counts.add(written)
    if successor and records:
        successor.begin_with(records)
        run.successor = successor
    return written


class _Beginning:
    """The first claim of a run. It is sent in a pipeline, and its result is read after the pipeline."""

    def __init__(self, run: Run, cursor: Cursor[Any]) -> None:
        self._run = run
        self._registering = OwnCursor(cursor.connection, binary=True)
        self._claiming = OwnCursor(cursor.connection, binary=True)
        cursor.execute(f"SAVEPOINT {SAVEPOINT}".encode())
        cursor.execute(sql("runs/wait_shortly"))
        cursor.execute(sql("runs/lock_flow"), run.parameters)
        self._registering.execute(sql("runs/register_run"), run.parameters)
        run.claimer.send(self._claiming, run.options.first_size(run.batch_size))

    def read(self) -> list[Record]:
        """Returns no records if nothing is due, or if the run cannot begin here: its flow is paused, has as many runs
        as it allows, has suspects, or has another batch size now. In all these cases, a new run of the flow tries to
        begin in its own transaction instead."""
        is_as_expected = self._registering.fetchone() == (self._run.batch_size, False)
        return self._run.claimer.read(self._claiming) if is_as_expected else []

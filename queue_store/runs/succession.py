"""Ends a short run and begins the next run, of another flow, in the transaction that writes the last outcomes.

If many flows have a few records each, succession saves every second COMMIT and half of the round trips. A run is short
if its only batch had fewer records than the run asked for, or if its express slice had all due records. The successor
begins after a savepoint. If the successor cannot begin, a rollback to the savepoint removes it. The successor does not
wait long for locks: if the row of its flow stays locked, the first run ends without a successor.
"""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from psycopg import Cursor
from psycopg.pq import TransactionStatus

from queue_store.database.cursors import OwnCursor
from queue_store.database.statements import sql
from queue_store.errors import CommitUnknownError
from queue_store.records.record import Outcome, Record, Written
from queue_store.runs.ending import may_end_with, send_end_if_idle
from queue_store.runs.outcomes import has_follow_ups, read_all_written
from queue_store.runs.run import Run
from queue_store.runs.sessions import SHORT_WAIT

SAVEPOINT = "successor"


def may_end(run: Run, outcomes: Sequence[Outcome]) -> bool:
    """Whether a run that has only these outcomes left may end in the transaction that writes them."""
    is_plain = not run.claimer.next_is_for_suspects and not has_follow_ups(outcomes)
    return is_plain and may_end_with(outcomes, run.claimer)


def exchange_or_end(run: Run, outcomes: Sequence[Outcome]) -> tuple[Written, list[Record]]:
    """Write outcomes and claim the next batch, as `Run.exchange` does. But if the run is short and nothing is due, the
    run ends instead, and its successor begins in the same transaction."""
    is_short = run.counts.batch_count == 1 and run.counts.records_claimed < run.batch_size
    if (is_short or run.has_all) and may_end(run, outcomes):
        return _write_and_end(run, outcomes), []
    return run.exchange(outcomes)


def _write_and_end(run: Run, outcomes: Sequence[Outcome]) -> Written:
    """Writes the outcomes and ends the run, unless something is due or an outcome is refused."""
    statements, written = run.outcome_statements(outcomes), Written()
    with succession(run) as end, run.held.transaction() as cursor:
        with end.pipeline(run.held.first_pipeline(cursor)):
            writers = run.send_statements(cursor, statements)
            end.send(cursor, len(outcomes))
        read_all_written(writers, statements, written)
        if written.refused_ids:
            run.held.undo()
        else:
            end.read()
    if written.refused_ids:
        return run.write(outcomes)
    run.counts.add(written)
    return written


class Succession:
    """The last statements of a transaction: the run ends, and its successor begins."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._ending: OwnCursor | None = None
        self._beginning: _Beginning | None = None
        self._has_failed = False  # an error prevented the successor's beginning
        self._is_ended = False
        self._records: list[Record] | None = None  # None: the successor has not begun

    @contextmanager
    def pipeline(self, pipeline: AbstractContextManager[Any]) -> Generator[None]:
        """Enters this pipeline. If the successor's statements fail, ignores the error. Later, another run of that flow
        begins in a transaction of its own. If the cause remains, that run raises the error."""
        try:
            with pipeline:
                yield
        except psycopg.Error:
            is_of_successor = self._ending is not None and self._ending.pgresult is not None
            if (
                self.run.held.driver.pgconn.transaction_status != TransactionStatus.INERROR
                or not is_of_successor
            ):
                raise
            self._has_failed = True

    def send(self, cursor: Cursor[Any], completed: int) -> None:
        """Call this in the pipeline, after all writes. `completed`: how many records these writes complete."""
        run = self.run
        successor = run.new_successor() if run.new_successor else None
        self._ending = send_end_if_idle(cursor, run.parameters, run.counts, completed)
        if successor and not successor.position.next_is_aging:
            self._beginning = _Beginning(successor, cursor)
            self._beginning.send(cursor, predecessor=run)

    def read(self) -> None:
        """Call this after the pipeline. Removes the successor if it cannot begin, or if the first run does not end."""
        self._is_ended = self._ending is not None and self._ending.fetchone() is not None
        if self._beginning is None:
            return
        if self._is_ended and not self._has_failed:
            self._records = self._beginning.read()
        if self._records is None:
            self.run.held.undo_to(SAVEPOINT)

    def note(self, *, is_in_doubt: bool = False) -> None:
        """Call this after the COMMIT. `is_in_doubt`: it is unknown whether the COMMIT has happened."""
        run = self.run
        run.is_ended = run.is_ended or (self._is_ended and not is_in_doubt)
        if self._has_failed:
            # psycopg believes that the server has prepared all statements of the pipeline, but the server has skipped
            # those after the error.
            run.held.invalidate()
        if self._beginning is None or self._records is None:
            return
        run.successor = self._beginning.run
        if is_in_doubt:
            run.successor.is_in_doubt = True
            return
        if self._records:
            run.successor.claimer.sent_alone(found=True)
        run.successor.begin_with(self._records)


@contextmanager
def succession(run: Run) -> Generator[Succession]:
    """Enter this context before the transaction begins, and leave it after the COMMIT. Afterwards, `run.successor` is
    set if the successor has begun. It is also set if the answer to the COMMIT was lost, so that nobody knows whether
    the successor has begun."""
    end = Succession(run)
    try:
        yield end
    except CommitUnknownError:
        end.note(is_in_doubt=True)
        raise
    end.note()


class _Beginning:
    """Sends, in a pipeline, the statements that begin a run. Reads their results after the pipeline."""

    def __init__(self, run: Run, cursor: Cursor[Any]) -> None:
        self.run = run
        self._registering = OwnCursor(cursor.connection, binary=True)
        self._claiming = None if run.options.first_slice else OwnCursor(cursor.connection, binary=True)

    def send(self, cursor: Cursor[Any], predecessor: Run) -> None:
        """Can raise the error of an earlier statement of the pipeline."""
        run = self.run
        cursor.execute(f"SAVEPOINT {SAVEPOINT}".encode())
        cursor.execute(sql("runs/lock_flow"), run.parameters | SHORT_WAIT)
        how = {"predecessor": predecessor.flow_instance_id, "wants_slice": run.options.first_slice > 0}
        self._registering.execute(sql("runs/register_run"), run.parameters | how)
        if self._claiming:
            run.claimer.send(self._claiming, run.batch_size)

    def read(self) -> list[Record] | None:
        """Returns the claimed records, or an empty list if the run begins with a slice. Returns None if nothing is due
        or processing is stopped. Also returns None if the flow is paused, has suspects or has as many runs as it
        allows, or if its batch size has changed. Also returns None if the run would begin with a slice, but its flow
        has other runs. If this method returns None, a new run of the flow tries to begin in its own transaction."""
        right_size, has_suspects, slice_may_come_first = self._registering.fetchone() or (None, False, False)
        if right_size != self.run.batch_size or has_suspects:
            return None
        if self._claiming is None:
            return [] if slice_may_come_first else None
        return self.run.claimer.read(self._claiming) or None

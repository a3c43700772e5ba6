"""Express slices: a run holds records locked while their handlers run, and one UPDATE claims and completes them.

hold           locks the next due records in a transaction that stays open; the records stay pending
settle         completes records with the outcome completed; claims the others and writes their outcomes; then COMMIT
settle_again   does the same in a new transaction if the slice's own transaction was lost

A crash rolls the transaction back: no attempt is charged, and no claim is counted. The locks leave a mark in the rows,
and runs claim a marked row in the normal way. So a record has at most one express attempt while the mark lasts. A
record that kills its process is isolated and gets a crash strike, just as without express slices. The mark lasts until
somebody updates the row or vacuum freezes the row. Because vacuum can remove the mark, a flow has no express slices if
one of its runs died within the last `SUSPICIOUS_SECONDS`.
"""

from collections.abc import Sequence
from contextlib import ExitStack, nullcontext, suppress
from typing import Any

from psycopg import Cursor

from queue_store.database.cursors import OwnCursor
from queue_store.database.statements import sql
from queue_store.records.record import Outcome, Record, Written
from queue_store.runs.claimer import decode_later
from queue_store.runs.outcomes import (
    claims_of,
    has_follow_ups,
    held_statements,
    read_written,
    unwritten,
    write_follow_ups,
)
from queue_store.runs.queue_position import claim_parameters, read_records
from queue_store.runs.run import Run
from queue_store.runs.sessions import SHORT_WAIT
from queue_store.runs.succession import Succession, may_end, succession

SUSPICIOUS_SECONDS = 600.0


class NotExpressError(Exception):
    """At least one of the next records cannot be part of an express slice, so claim these records in the normal way. A
    rollback releases their locks."""


class _RollBackError(Exception):
    """Leaves the transaction of a slice, so that the transaction rolls back."""


class HeldSlice:
    """Records that a run has locked, with the claim number that `settle` will write. Not thread-safe."""

    def __init__(
        self, run: Run, records: list[Record], mark: str, transaction: ExitStack, cursor: Cursor[Any]
    ) -> None:
        self.records = records
        self._run = run
        self._mark = mark
        self._transaction = transaction
        self._cursor = cursor
        self._is_over = False  # whether the slice's transaction is over
        self._counted = len(records)  # how many of these records are in the run's counts
        run.counts.batch_count += 1
        run.counts.records_claimed += len(records)
        run.counts.records_held = len(records)

    def settle(
        self, outcomes: Sequence[Outcome], rest: Sequence[Record] = (), *, is_last: bool = False
    ) -> tuple[Written, set[int]]:
        """Write the outcomes, claim the `rest`, release all other records, and COMMIT. Returns what was written, and
        the ids of the claimed records: all ids of the `rest`, or none if the run is dead. `is_last`: if no record is
        due, also end the run and begin its successor in the same transaction. Raises the errors of
        HeldConnection.transaction. A second call does what `settle_again` does."""
        if self._is_over:
            return self.settle_again(outcomes, rest)
        self._is_over = True
        run = self._run
        may_be_last = is_last and not rest and may_end(run, outcomes)
        with succession(run) if may_be_last else nullcontext() as end, self._transaction:
            parameters = self._parameters(None)
            written, claimed_ids = write_held(
                run, self._cursor, parameters, outcomes, rest, end, patient=False
            )
        self._count(written, len(outcomes) + len(rest))
        run.has_all = is_last and end is None and len(outcomes) == len(self.records)
        return written, claimed_ids

    def settle_again(
        self, outcomes: Sequence[Outcome], rest: Sequence[Record] = ()
    ) -> tuple[Written, set[int]]:
        """Repeat `settle` after a call whose COMMIT may or may not have happened. A row is written only if it still has
        the mark of this slice. The mark proves that nobody has changed the row since the slice locked it, and that
        nobody else works on the record."""
        run = self._run
        written, parameters = Written(), self._parameters(self._mark)
        with run.held.transaction() as cursor:
            left = unwritten(cursor, run.parameters, outcomes, written)
            _, claimed_ids = write_held(run, cursor, parameters, left, rest, written=written)
            owned = self._owned(cursor, rest)
        self._count(written, len(outcomes) + len(rest))
        return written, claimed_ids.union(record_id for record_id, *_ in owned)

    def roll_back(self) -> None:
        """Release all records. Does nothing if the transaction is over."""
        self._is_over = True
        with suppress(_RollBackError), self._transaction:
            raise _RollBackError
        self._count(Written(), 0)

    def _owned(self, cursor: Cursor[Any], records: Sequence[Record]) -> list[Any]:
        parameters = claims_of(self._run.flow_instance_id, records)
        return cursor.execute(sql("runs/owned_records"), parameters).fetchall()

    def _parameters(self, mark: str | None) -> dict[str, Any]:
        run = self._run
        claim = claim_parameters(run.options.flow_name, run.flow_instance_id, len(self.records))
        return claim | {"claimed_at": self.records[0].claimed_at, "mark": mark}

    def _count(self, written: Written, kept: int) -> None:
        if self._counted:
            self._run.counts.records_claimed -= self._counted - kept
            self._run.counts.records_held = 0
            self._counted = 0
        self._run.counts.add(written)


def hold(run: Run, batch_size: int, idle_seconds: float) -> HeldSlice | None:
    """Returns the next slice. Returns None if no record is due at or after the run's position, if the flow is
    paused, if processing is stopped, or if the run is no longer running. In these cases, the caller claims in the
    normal way. Raises NotExpressError. The server ends the session if it is idle for `idle_seconds`."""
    transaction = ExitStack()
    cursor = transaction.enter_context(run.held.transaction())
    with transaction:
        try:
            records = _lock(run, cursor, batch_size, idle_seconds)
        except NotExpressError:
            run.held.undo()  # keeps the prepared statements
            raise
        if not records:
            run.held.undo()
            return None
        # The mark is read outside of the pipeline. psycopg ends a pipeline with a request to flush. This flush request
        # disarms `idle_in_transaction_session_timeout` until the next statement outside of a pipeline.
        [[mark]] = cursor.execute(sql("runs/slice_mark")).fetchall()
        run.position.advance(records, batch_size)
        run.position.count_claim()
        return HeldSlice(run, records, mark, transaction.pop_all(), cursor)


def has_died_lately(run: Run) -> bool:
    """Whether a run of the flow was declared dead within the last `SUSPICIOUS_SECONDS`."""
    parameters = {"flow_name": run.options.flow_name, "seconds": SUSPICIOUS_SECONDS}
    with run.held.transaction() as cursor:
        row = cursor.execute(sql("runs/has_died_lately"), parameters).fetchone()
    return row is None or bool(row[0])


def _lock(run: Run, cursor: Cursor[Any], batch_size: int, idle_seconds: float) -> list[Record]:
    parameters = hold_parameters(run, batch_size, idle_seconds, is_one_commit=False)
    decode_later(cursor)
    with cursor.connection.pipeline():
        cursor.execute(sql("runs/begin_slice"), parameters)
        cursor.execute(sql("runs/hold_records"), parameters)
    return read_held(run, cursor.fetchall(), batch_size)


def hold_parameters(run: Run, batch_size: int, idle_seconds: float, *, is_one_commit: bool) -> dict[str, Any]:
    """The parameters of runs/begin_slice.sql and runs/hold_records.sql."""
    parameters = claim_parameters(run.options.flow_name, run.flow_instance_id, batch_size)
    how = {"idle_timeout": f"{round(idle_seconds * 1000)}ms", "is_one_commit": is_one_commit}
    return parameters | run.position.parameters() | how


def read_held(run: Run, rows: Sequence[tuple[Any, ...]], batch_size: int) -> list[Record]:
    """`rows`: the rows that runs/hold_records.sql returned, with values that are not decoded yet. Raises
    NotExpressError."""
    if len(rows) > batch_size:
        raise AssertionError(f"held {len(rows)} records of {batch_size}")
    run.last_was_full = len(rows) == batch_size
    if not all(may_be_express for *_, may_be_express in rows):
        raise NotExpressError
    options, timezone = run.options, run.held.driver.info.timezone
    return read_records(
        (row[:-1] for row in rows), options.flow_name, run.flow_instance_id, timezone, options.record_class
    )


def write_held(
    run: Run,
    cursor: Cursor[Any],
    parameters: dict[str, Any],
    outcomes: Sequence[Outcome],
    rest: Sequence[Record],
    end: Succession | None = None,
    written: Written | None = None,
    *,
    patient: bool = True,
) -> tuple[Written, set[int]]:
    """`end`: ends the run in this transaction; None if the run must go on. `written`: the outcomes that were written
    before, if there are any. If `patient` is False, follow-up records wait only briefly for locks."""
    statements = held_statements(parameters, outcomes, rest, run.options.max_retries)
    writers = [OwnCursor(cursor.connection, binary=True) for _ in statements]
    pipeline = cursor.connection.pipeline()
    with end.pipeline(pipeline) if end else pipeline:
        for writer, statement in zip(writers, statements, strict=True):
            writer.execute(sql(statement.name), statement.parameters)
        if not patient and has_follow_ups(outcomes):
            cursor.execute(sql("runs/wait_shortly"), SHORT_WAIT)
        if end:
            end.send(cursor, len(outcomes))
    written, claimed_ids = written or Written(), set[int]()
    for writer, statement in zip(writers, statements, strict=True):
        rows = writer.fetchall()
        if statement.name == "arrows/claim_held":
            claimed_ids.update(record_id for record_id, *_ in rows)
        else:
            read_written(statement, rows, written)
    if end:
        end.read()
    write_follow_ups(cursor, outcomes, written)
    return written, claimed_ids.intersection(record.id for record in rest)

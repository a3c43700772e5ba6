"""A run: the owner of its claims, from its registration to its end.

The protocol. A run is registered together with its first claim that finds records, or before its first express slice. A
run holds a connection for its whole life. Each of its writes to a record is fenced by `(id, flow_instance_id,
claim_number)`. A write for a record that was taken away from the run is refused, and the record's id is returned. If
the COMMIT of a claim was interrupted, the run does not know which records it owns. In this case the run must end, and
rescue gives back its processing records.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from psycopg import Cursor

from queue_store.database.cursors import OwnCursor
from queue_store.database.held_connection import HeldConnection
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import NamedStatement, sql
from queue_store.errors import ClaimLostError, CommitUnknownError
from queue_store.records.record import Outcome, Record, Written
from queue_store.runs.beginning import register_and_claim
from queue_store.runs.claimer import Claimer
from queue_store.runs.ending import declare_dead, send_end
from queue_store.runs.options import RunCounts, RunOptions
from queue_store.runs.outcomes import (
    cancel_statement,
    has_follow_ups,
    outcome_statements,
    read_all_written,
    release_statement,
    unwritten,
    write_follow_ups,
)
from queue_store.runs.queue_position import QueuePosition
from queue_store.runs.sessions import SHORT_WAIT, run_parameters


@dataclass
class Run:
    """At the end of the run's context, the connection is given back. Only one thread at a time claims and writes.
    Heartbeats use another connection."""

    database: DatabaseManager
    options: RunOptions
    position: QueuePosition
    worker_process_id: UUID
    celery_task_id: str | None = None
    flow_instance_id: UUID = field(default_factory=uuid4)
    counts: RunCounts = field(default_factory=RunCounts)
    is_registered: bool = False
    is_ended: bool = False
    batch_size: int = 0
    last_was_full: bool = False  # the last claim or slice found as many records as it asked for
    has_all: bool = False  # the last slice had all due records, and another flow's run comes next
    new_successor: "Callable[[], Run | None] | None" = None  # makes the run that begins when this run ends
    successor: "Run | None" = None  # the successor has begun, or `is_in_doubt`
    is_in_doubt: bool = False  # it is unknown whether this run has begun
    _first_batch: list[Record] = field(default_factory=list[Record])  # empty if the run begins with a slice
    _connections: ExitStack = field(default_factory=ExitStack)
    _held: HeldConnection | None = None

    def __post_init__(self) -> None:
        self.parameters = run_parameters(self.flow_instance_id) | {
            "flow_name": self.options.flow_name,
            "worker_process_id": self.worker_process_id,
            "celery_task_id": self.celery_task_id,
        }
        self.claimer = Claimer(self.options, self.flow_instance_id, self.position)
        self.batch_size = self.batch_size or self.position.batch_size or self.options.batch_size

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        self._held = None
        self._connections.close()

    @property
    def held(self) -> HeldConnection:
        if self._held is None:
            holding = self.database.hold(with_sqlalchemy=self.options.with_sqlalchemy)
            self._held = self._connections.enter_context(holding)
        return self._held

    def reopen(self) -> None:
        """Continue over a new connection. Raises DatabaseUnavailableError, and ClaimLostError if the run is over."""
        self.__exit__()
        with self.held.transaction() as cursor:
            never_was = (
                not self.is_registered
                and cursor.execute(sql("runs/await_registration"), self.parameters).fetchone()
            )
            if never_was or not cursor.execute(sql("runs/run_alive"), self.parameters).fetchone():
                raise ClaimLostError([])

    def begin(self) -> list[Record]:
        """Register the run and claim its first batch in one transaction. If the claim finds no record, nothing is
        written. A run that begins with a slice is registered without a claim. A successor returns the batch that the
        previous run claimed for it. Raises CommitUnknownError if it is unknown whether the run has begun."""
        if self.is_in_doubt:
            raise CommitUnknownError("the connection broke while the previous run ended and this one began")
        if self.is_registered:
            return self._first_batch
        try:
            with self.held.transaction() as cursor:
                begun = register_and_claim(self.held, cursor, self.parameters, self.claimer, self.batch_size)
                self.batch_size, records = begun
                if records is None:
                    self.held.undo()
        except CommitUnknownError:
            self.is_in_doubt = True
            raise
        self.position.batch_size = self.batch_size
        if records is not None:
            self.begin_with(records)
        return self._first_batch

    def begin_with(self, records: list[Record]) -> None:
        """Take over the first batch. Call this after the COMMIT of the transaction that registered the run."""
        self.is_registered = True
        self._first_batch = self._claimed(records)
        self.last_was_full = self.last_was_full or not records  # an empty batch: the run begins with a slice

    def claim(self, *, prefetch: bool = False, or_end: bool = False) -> list[Record]:
        """Returns the next batch, never larger than the batch size. The batch is empty if nothing is due, if the flow
        is paused, if processing is stopped, or if the run is no longer running. Atomic. `prefetch`: the run still works
        on its current batch, so this claim takes no suspects. `or_end`: end the run if the batch is empty."""
        with self.held.transaction() as cursor:
            with self.held.first_pipeline(cursor):
                cursor.execute(sql("runs/plan_once"), self.parameters)
            records = self.claimer.claim(cursor, self.batch_size, prefetch=prefetch)
            if or_end and not records:
                self.end_in(cursor, is_alone=True)
        self.is_ended = or_end and not records
        return self._claimed(records)

    def exchange(self, outcomes: Sequence[Outcome]) -> tuple[Written, list[Record]]:
        """Write outcomes and claim the next batch, in one transaction, with one round trip before the COMMIT. Claims
        nothing if the next claim must look for suspects, or if outcomes have follow-up records. So an empty batch does
        not mean that nothing is due: call `claim` to find out."""
        if self.claimer.next_is_for_suspects or has_follow_ups(outcomes):
            return self.write(outcomes), []
        statements, written = self.outcome_statements(outcomes), Written()
        with self.held.transaction() as cursor:
            with self.held.first_pipeline(cursor):
                writers = self.send_statements(cursor, statements)
                self.claimer.send(cursor, self.batch_size)
            read_all_written(writers, statements, written)
            records = self.claimer.read(cursor)
        self.counts.add(written)
        self.claimer.sent_alone(found=bool(records))
        return written, self._claimed(records)

    def write(self, outcomes: Sequence[Outcome], *, again: bool = False) -> Written:
        """Write outcomes in one transaction. Idempotent: if the same outcomes are written again, the fence refuses
        them. Follow-up records wait only briefly for locks (runs/wait_shortly.sql)."""
        with self.held.transaction() as cursor:
            written = self.write_in(cursor, outcomes, again=again, patient=False)
        self.counts.add(written)
        return written

    def write_again(self, outcomes: Sequence[Outcome]) -> Written:
        """Write outcomes after a COMMIT that may or may not have happened. Sends only what is not written yet."""
        return self.write(outcomes, again=True)

    def write_in(
        self, cursor: Cursor[Any], outcomes: Sequence[Outcome], *, again: bool = False, patient: bool = True
    ) -> Written:
        """Write outcomes in the caller's transaction. After the COMMIT the caller must call `counts.add`. `again`: see
        `write_again`. If `patient` is False, follow-up records wait only briefly for locks."""
        written = Written()
        outcomes = unwritten(cursor, self.parameters, outcomes, written) if again else outcomes
        if statements := self.outcome_statements(outcomes):
            with cursor.connection.pipeline():
                writers = self.send_statements(cursor, statements)
                if not patient and has_follow_ups(outcomes):
                    cursor.execute(sql("runs/wait_shortly"), SHORT_WAIT)
            read_all_written(writers, statements, written)
        write_follow_ups(cursor, outcomes, written)
        return written

    def outcome_statements(self, outcomes: Sequence[Outcome]) -> list[NamedStatement]:
        return outcome_statements(
            self.options.flow_name, self.flow_instance_id, outcomes, self.options.max_retries
        )

    def release(self, records: Sequence[Record]) -> list[int]:
        """Give back records that were not started. Returns the ids that the fence accepted."""
        rows = self._write_alone(release_statement(self.options.flow_name, self.flow_instance_id, records))
        released = [record_id for record_id, status in rows if status == "pending"]
        self.counts.records_released += len(released)
        self.counts.records_cancelled += len(rows) - len(released)
        return [row[0] for row in rows]

    def cancel(self, records: Sequence[Record]) -> list[int]:
        """Cancel records that were asked to stop. Returns the ids that the fence accepted."""
        rows = self._write_alone(cancel_statement(self.options.flow_name, self.flow_instance_id, records))
        self.counts.records_cancelled += len(rows)
        return [row[0] for row in rows]

    def end(self, error_message: str | None = None, *, leaves_unfinished: bool = False) -> None:
        """Idempotent. Records that are still processing under this run become orphans. `leaves_unfinished`: whether
        the claims of these records count as unfinished claims. After several unfinished claims in a row, a record is
        isolated."""
        if self.is_ended:
            return
        with self.held.transaction() as cursor:
            self.end_in(cursor, error_message, leaves_unfinished=leaves_unfinished, is_alone=True)

    def abandon(self, suspect_record_id: int | None, error_message: str) -> None:
        """End as if this process had died with the record `suspect_record_id` in flight. That record then gets a crash
        strike. Pass None if it is unknown which record was in flight. Then a run's only record gets the strike, but if
        the run has several records, they become suspects."""
        with self.held.transaction() as cursor:
            declare_dead(cursor, self.parameters, suspect_record_id, error_message)

    def end_in(self, cursor: Cursor[Any], error_message: str | None = None, **how: bool) -> None:
        """End in the caller's transaction. `how`: the options of `send_end`."""
        with cursor.connection.pipeline():
            send_end(cursor, self.parameters, self.counts, error_message=error_message, **how)

    def send_statements(self, cursor: Cursor[Any], statements: Sequence[NamedStatement]) -> list[OwnCursor]:
        """Call this in a pipeline. Each statement has its own cursor, which the caller reads after the pipeline."""
        cursor.execute(sql("runs/plan_once"), self.parameters)
        writers = [OwnCursor(cursor.connection, binary=True) for _ in statements]
        for writer, statement in zip(writers, statements, strict=True):
            writer.execute(sql(statement.name), statement.parameters)
        return writers

    def _claimed(self, records: list[Record]) -> list[Record]:
        """Call this after the COMMIT. Checks the batch: a wrong plan could claim too many records."""
        asked = self.batch_size
        if len(records) > asked:
            raise AssertionError(f"claimed {len(records)} records of {asked}")
        self.last_was_full, self.has_all = len(records) == asked, False
        if records:
            self.position.advance(records, asked)
            self.counts.batch_count += 1
            self.counts.records_claimed += len(records)
        return records

    def _write_alone(self, statement: NamedStatement) -> list[tuple[Any, ...]]:
        with self.held.transaction() as cursor:
            with self.held.first_pipeline(cursor):
                [writer] = self.send_statements(cursor, [statement])
            return writer.fetchall()

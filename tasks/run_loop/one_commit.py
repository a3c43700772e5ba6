"""Handlers that take the transaction: their rows and the records' new statuses are committed together, in slices.

A slice is at most `SLICE_SECONDS` or `SLICE_RECORDS` long, because a transaction that is held for longer keeps vacuum
from working. It runs without savepoints first. When a record does not complete, the slice is rolled back and done
again with a savepoint around each record, so that the record takes only its own writes back; where records fail in
one slice after the other, the next ones begin with savepoints. Just before the COMMIT the fenced UPDATE tells which
records still belong to this run; when any does not, everything is rolled back and done again without it.

A batch handler's slice is its batch. Its writes cannot be told apart by record, so when some fail, they are rolled
back and the handler is called again without those.
"""

import time
from collections.abc import Sequence

import psycopg

from queue_store.database.driver_errors import ENDED_SESSIONS, STATEMENT_CANCELLED, sqlstate_of
from queue_store.errors import ConflictError, DatabaseUnavailableError
from queue_store.records.record import Cancelled, Completed, Outcome, Record, Written
from queue_store.runs.run import Run
from queue_store.runs.slice_session import SliceSession

from ..authoring.flow import Flow
from ..exceptions import PermanentError, RunLostError
from ..worker.shared_slots import NOTHING_IN_FLIGHT, SEVERAL_IN_FLIGHT
from .batch_attempt import BatchAttempts
from .delivery import Delivery
from .guest import AsGuest
from .slice_connections import OpenSlice, SliceConnection
from .transactions import MISUSE, SessionEndedError, Transaction, explained

SLICE_SECONDS = 0.5
SLICE_RECORDS = 100
FAILING_SLICES = 2  # so many in a row, and the next one begins with savepoints
CONFLICT_TRIES = 10

SAVEPOINT = b"SAVEPOINT processing_queue_record"
RELEASE = b"RELEASE SAVEPOINT processing_queue_record"
ROLL_BACK = b"ROLLBACK TO SAVEPOINT processing_queue_record"

# Answers to our statements that a handler has caused: the server itself is well.
OF_A_HANDLER = (*ENDED_SESSIONS, STATEMENT_CANCELLED)


class RollBackError(Exception):
    """This slice cannot be committed as it is. `decided`: outcomes that are written on their own now."""

    def __init__(self, decided: Sequence[Outcome] = (), *, is_spoiled: bool = False) -> None:
        self.decided = decided
        self.is_spoiled = is_spoiled
        super().__init__("this slice is rolled back")


class OneCommit:
    """The slices of one run."""

    def __init__(
        self, flow: Flow, run: Run, delivery: Delivery, attempts: BatchAttempts, connection: SliceConnection
    ) -> None:
        self.flow = flow
        self.run = run
        self.delivery = delivery
        self.attempts = attempts
        self.connection = connection
        self._with_savepoints = False
        self._failing_slices = 0  # in a row
        self._conflicts = 0
        self._handler_ran = False  # in this slice
        self._settled_ids: set[int] = set()  # refused, or decided outside of a slice
        self._alone_ids: set[int] = set()  # their slice was refused by the database

    def execute(self, records: Sequence[Record]) -> list[Record]:
        """Returns the records that were not started. Raises RunLostError when a COMMIT was interrupted."""
        remaining = list(records)
        self._settled_ids.clear()
        self._alone_ids.clear()
        while remaining := [record for record in remaining if not self._drop(record)]:
            if self.delivery.must_stop:
                return remaining
            remaining = remaining[self.work_slice(remaining[: self._length(remaining)]) :]
        return []

    def work_slice(self, records: list[Record]) -> int:
        """Returns how many of the records, from the first on, have their outcome committed; 0: do it again."""
        with_savepoints = self._with_savepoints and not self.flow.batch
        try:
            written, outcomes = self.commit(records, with_savepoints=with_savepoints)
        except RollBackError as rolled_back:
            self._roll_back(rolled_back)
            return 0
        except (psycopg.Error, SessionEndedError) as error:
            self._roll_back(self._blame(records, error, is_spoiled=isinstance(error, SessionEndedError)))
            return 0
        except ConflictError:
            self._conflicts += 1
            time.sleep(0.01 * self._conflicts)
            return 0
        except DatabaseUnavailableError as error:
            if not self._handler_ran or sqlstate_of(error.__cause__ or error) not in OF_A_HANDLER:
                raise RunLostError("the database went away during a one-COMMIT slice") from error
            self._roll_back(self._blame(records, error.__cause__ or error, is_spoiled=True))
            return 0
        self._note_failures(outcomes)
        self._conflicts = 0
        self.run.counts.add(written)
        self.delivery.wrote(written)
        return len(outcomes)

    def commit(self, records: list[Record], *, with_savepoints: bool) -> tuple[Written, list[Outcome]]:
        """One slice. Raises RollBackError."""
        return self.connection.run(self._commit(records, with_savepoints=with_savepoints))

    def check_fence(self, written: Written) -> None:
        if written.refused_ids:
            self._settled_ids.update(written.refused_ids)
            self.run.counts.records_refused += len(written.refused_ids)
            self.delivery.wrote(Written(refused_ids=written.refused_ids))
            raise RollBackError

    async def _commit(self, records: list[Record], *, with_savepoints: bool) -> tuple[Written, list[Outcome]]:
        self._handler_ran = False
        async with self.connection.transaction() as opened:
            session = SliceSession(
                opened.execute, self.flow.session_settings, self.flow.idle_in_transaction_seconds
            )
            await session.open(self.run.parameters)
            transaction = Transaction(
                opened.sqlalchemy,
                opened.driver,
                self.flow.transaction_type,
                savepoints=with_savepoints or self.flow.batch,
                charges_conflicts=self._conflicts >= CONFLICT_TRIES,
                is_alone=len(records) == 1,
            )
            outcomes = await self._work(
                records, opened, session, transaction, with_savepoints=with_savepoints
            )
            if not await session.close():
                raise self._blame(records, PermanentError(MISUSE))
            written = await opened.write(outcomes)
            self.check_fence(written)
        return written, outcomes

    async def _work(
        self,
        records: list[Record],
        opened: OpenSlice,
        session: SliceSession,
        transaction: Transaction,
        *,
        with_savepoints: bool,
    ) -> list[Outcome]:
        """A record that fails is tried again with savepoints, and then with the settings that the slice began with. So
        it is not charged for what the one before it did to them."""
        ends_at = time.monotonic() + SLICE_SECONDS
        outcomes: list[Outcome] = []
        for call in [records] if self.flow.batch else [[record] for record in records]:
            if outcomes and (with_savepoints or self.flow.session_settings):
                await session.put_back(SAVEPOINT if with_savepoints else b"")
            elif with_savepoints:
                await opened.execute(SAVEPOINT)
            called = await self._call(call, transaction, with_savepoints=with_savepoints)
            failed = [outcome for outcome in called if not isinstance(outcome, Completed)]
            if failed and not with_savepoints:
                raise RollBackError(failed if self.flow.batch else ())
            if with_savepoints:
                if failed:
                    await opened.execute(ROLL_BACK)
                await opened.execute(RELEASE)
            outcomes += called
            if time.monotonic() >= ends_at or self.delivery.must_stop:
                break
        return outcomes

    async def _call(
        self, call: list[Record], transaction: Transaction, *, with_savepoints: bool
    ) -> list[Outcome]:
        """What became of the call when the transaction is looked at as well. Raises RollBackError when nothing more
        can be done in it."""
        is_tentative = not with_savepoints and not self.flow.batch
        slots = self.delivery.slots
        slots.put_in_flight(call[0].id if len(call) == 1 else SEVERAL_IN_FLIGHT)
        transaction.open([record.id for record in call])
        self._handler_ran = True
        if self.flow.batch:
            called = await AsGuest(self.attempts.attempt_batch(call, transaction))
        else:
            called = [await AsGuest(self.attempts.attempt(call[0], transaction, is_tentative=is_tentative))]
        try:
            await transaction.close()
        except Exception as error:  # noqa: BLE001  (the session could not be closed)
            now = time.monotonic()
            called = [self.attempts.outcome_of(record, now, error, transaction) for record in call]
        if not transaction.is_clean:
            raise RollBackError(() if is_tentative else called, is_spoiled=True)
        slots.put_in_flight(NOTHING_IN_FLIGHT)
        return called

    def _drop(self, record: Record) -> bool:
        if self.delivery.is_cancelled(record) and record.id not in self._settled_ids:
            self._settled_ids.add(record.id)
            self.delivery.report(Cancelled(record))
        return record.id in self._settled_ids

    def _length(self, remaining: list[Record]) -> int:
        if remaining[0].id in self._alone_ids:
            return 1
        return len(remaining) if self.flow.batch else SLICE_RECORDS

    def _note_failures(self, outcomes: list[Outcome]) -> None:
        """A slice that is done twice costs less than savepoints in every slice, unless most slices need them."""
        has_failures = any(not isinstance(outcome, Completed) for outcome in outcomes)
        self._failing_slices = self._failing_slices + 1 if has_failures else 0
        self._with_savepoints = self._failing_slices >= FAILING_SLICES

    def _blame(
        self, records: list[Record], error: BaseException, *, is_spoiled: bool = False
    ) -> RollBackError:
        """Nobody knows which of several records made our statement or the COMMIT fail. So each is done again alone,
        and then an error is its own."""
        if len(records) == 1:
            outcome = self.attempts.outcome_of(records[0], time.monotonic(), explained(error))
            return RollBackError([outcome], is_spoiled=is_spoiled)
        self._alone_ids.update(record.id for record in records)
        return RollBackError(is_spoiled=is_spoiled)

    def _roll_back(self, rolled_back: RollBackError) -> None:
        self._with_savepoints = True
        if rolled_back.is_spoiled:
            self.connection.recover()
        for outcome in rolled_back.decided:
            self._settled_ids.add(outcome.record.id)
            self.delivery.report(outcome)
        if rolled_back.decided:
            self.delivery.flush()

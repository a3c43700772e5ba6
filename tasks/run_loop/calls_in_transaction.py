"""Calls a handler in the open transaction of a slice: once for each record, or once for a batch."""

import time
from collections.abc import Sequence
from contextlib import suppress

import psycopg
from psycopg.pq import TransactionStatus

from queue_store.records.record import Completed, Outcome, Record
from queue_store.runs.run import Run
from queue_store.runs.slice_session import SliceSession

from ..authoring.flow import Flow
from ..exceptions import PermanentError
from ..worker.event_loop import end_cancellation
from ..worker.shared_slots import NOTHING_IN_FLIGHT, SEVERAL_IN_FLIGHT
from .batch_attempt import BatchAttempts
from .delivery import Delivery
from .guest import AsGuest
from .slice_connections import OpenSlice
from .transactions import MISUSE, Transaction, awaited, is_open

SAVEPOINT = b"SAVEPOINT processing_queue_record"
RELEASE = b"RELEASE SAVEPOINT processing_queue_record"
ROLL_BACK = b"ROLLBACK TO SAVEPOINT processing_queue_record"
ROLL_BACK_AND_RELEASE = ROLL_BACK + b";" + RELEASE


class RollBackError(Exception):
    """This slice cannot be committed. `decided`: outcomes that are written after the rollback, in another transaction.
    None of them is Completed, because the rollback also undoes the rows of the handlers."""

    def __init__(self, decided: Sequence[Outcome] = (), *, is_spoiled: bool = False) -> None:
        assert not any(isinstance(outcome, Completed) for outcome in decided)
        self.decided = decided
        self.is_spoiled = is_spoiled
        super().__init__("this slice is rolled back")


class CallsInTransaction:
    """Calls the handler for one run, in the transactions of its slices."""

    def __init__(self, flow: Flow, run: Run, delivery: Delivery, attempts: BatchAttempts) -> None:
        self._flow = flow
        self._run = run
        self._delivery = delivery
        self._attempts = attempts
        self.handler_ran = False  # whether the last slice called the handler

    async def call_all(
        self,
        records: list[Record],
        opened: OpenSlice,
        *,
        with_savepoints: bool,
        charges_conflicts: bool,
        seconds: float,
    ) -> list[Outcome] | None:
        """Returns the outcomes of the records for which the handler was called. Returns None if only the end of the
        slice reveals that a handler replaced the transaction. After `seconds`, no further call begins. Raises
        RollBackError."""
        self.handler_ran = False
        flow = self._flow
        session = SliceSession(opened.execute, flow.session_settings, flow.idle_in_transaction_seconds)
        await session.open(self._run.parameters)
        transaction = Transaction(
            opened.sqlalchemy,
            opened.driver,
            flow.transaction_type,
            savepoints=with_savepoints or flow.batch,
            charges_conflicts=charges_conflicts,
            is_alone=len(records) == 1,
        )
        ends_at = time.monotonic() + seconds
        try:
            outcomes = await self._work(
                records, opened, session, transaction, ends_at, with_savepoints=with_savepoints
            )
            if await session.close():
                return outcomes
            await awaited(opened.driver.close())  # the handler may have committed changes to the session
            return None
        except BaseException:
            if self._run.database.settings.pgbouncer and is_open(opened.driver):
                with suppress(psycopg.Error):  # if `abandon` fails, the session and its locks are lost
                    await session.abandon()
            await transaction.abandon()
            raise

    async def _work(
        self,
        records: list[Record],
        opened: OpenSlice,
        session: SliceSession,
        transaction: Transaction,
        ends_at: float,
        *,
        with_savepoints: bool,
    ) -> list[Outcome]:
        """If a record fails in a slice without savepoints, raises RollBackError. If the handler is not a batch handler,
        the slice is then usually done again with savepoints. If a slice has savepoints, the settings of the session are
        restored before each further record. So no later record loses an attempt because of settings that the handler
        changed for an earlier record."""
        outcomes: list[Outcome] = []
        for call in [records] if self._flow.batch else [[record] for record in records]:
            if outcomes and (with_savepoints or self._flow.session_settings):
                await session.put_back(SAVEPOINT if with_savepoints else b"")
            elif with_savepoints:
                await opened.execute(SAVEPOINT)
            called = await self._call(call, transaction, with_savepoints=with_savepoints)
            failed = [outcome for outcome in called if not isinstance(outcome, Completed)]
            if failed or with_savepoints or session.may_be_over(opened.driver.pgconn):
                await self._end_call(call, failed, opened, session, with_savepoints=with_savepoints)
            outcomes += called
            if time.monotonic() >= ends_at or self._delivery.must_stop:
                break
        return outcomes

    async def _end_call(
        self,
        call: list[Record],
        failed: Sequence[Outcome],
        opened: OpenSlice,
        session: SliceSession,
        *,
        with_savepoints: bool,
    ) -> None:
        """Keeps the rows of the call. If a record failed, rolls back to the savepoint, or raises RollBackError if there
        is no savepoint. Also raises RollBackError if the handler replaced the transaction."""
        driver = opened.driver
        if with_savepoints and driver.pgconn.transaction_status == TransactionStatus.INERROR:
            await opened.execute(ROLL_BACK)
        if session.may_be_over(driver.pgconn) and (failed or not self._flow.batch):
            await self._refuse_another_transaction(call, failed, opened, session)
        if failed and not with_savepoints:
            raise RollBackError(failed if self._flow.batch else ())
        if with_savepoints:
            await opened.execute(ROLL_BACK_AND_RELEASE if failed else RELEASE)

    async def _refuse_another_transaction(
        self, call: list[Record], failed: Sequence[Outcome], opened: OpenSlice, session: SliceSession
    ) -> None:
        """If the handler ended the transaction and began another one, raises RollBackError, and the record fails.
        Closes the session, because the handler may have changed it and committed the changes. If the slice went on in
        the new transaction, a later handler could commit rows without the outcomes of the records. After a batch
        handler that succeeded, this method is not called: no other handler follows in the slice, and
        `SliceSession.close` detects the new transaction."""
        can_ask = opened.driver.pgconn.transaction_status == TransactionStatus.INTRANS
        if can_ask and await session.renew():
            return
        misuse = self._attempts.outcome_of(call[0], time.monotonic(), PermanentError(MISUSE))
        await awaited(opened.driver.close())
        raise RollBackError(failed if self._flow.batch else [misuse] if can_ask else (), is_spoiled=True)

    async def _call(
        self, call: list[Record], transaction: Transaction, *, with_savepoints: bool
    ) -> list[Outcome]:
        """Returns the outcomes of the call. The outcomes also depend on the state in which the handler left the
        transaction. Raises RollBackError if the transaction is unusable."""
        is_tentative = not with_savepoints and not self._flow.batch
        slots = self._delivery.slots
        slots.put_in_flight(call[0].id if len(call) == 1 else SEVERAL_IN_FLIGHT)
        transaction.open([record.id for record in call])
        self.handler_ran = True
        if self._flow.batch:
            called = await AsGuest(self._attempts.attempt_batch(call, transaction))
        else:
            called = [await AsGuest(self._attempts.attempt(call[0], transaction, is_tentative=is_tentative))]
        if self._flow.is_async:
            await end_cancellation()
        try:
            await transaction.close()
        except Exception as error:  # noqa: BLE001  (the handler's session could not be closed)
            now = time.monotonic()
            called = [self._attempts.outcome_of(record, now, error, transaction) for record in call]
        if not transaction.is_usable:
            called = [self._uncompleted(outcome) for outcome in called]
            if not transaction.is_clean:
                raise RollBackError(() if is_tentative else called, is_spoiled=True)
        slots.put_in_flight(NOTHING_IN_FLIGHT)
        return called

    def _uncompleted(self, outcome: Outcome) -> Outcome:
        """Call this if the transaction was spoiled after it was settled, for example by the hook `after`. The rows of
        the record will be rolled back, so the record is not completed."""
        if not isinstance(outcome, Completed):
            return outcome
        return self._attempts.outcome_of(outcome.record, outcome.started, PermanentError(MISUSE))

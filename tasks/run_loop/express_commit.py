"""Express slices of one-COMMIT flows. One COMMIT writes the claims, the handlers' rows and the outcomes, and each
record's row is updated once.

An express slice is committed as a whole or rolled back. The slice is rolled back if a record is not completed, if a
handler reports progress or ends the transaction, or if the database or the fence refuses a write. After a rollback, no
attempt is charged. The locks of the slice leave a mark in its rows, and a marked row cannot be in another express
slice. So after a rollback, the records are claimed in the normal way, and the handlers are called again. While a slice
is running, its records cannot be claimed. So a slice that becomes long ends after the current handler.
"""

import time
from collections.abc import Callable

import psycopg

from queue_store.database.driver_errors import sqlstate_of
from queue_store.errors import ConflictError, DatabaseUnavailableError
from queue_store.records.record import Completed, Outcome, Record, Written
from queue_store.runs.express import NotExpressError
from queue_store.runs.run import Run

from ..authoring.flow import Flow
from ..exceptions import RunLostError
from ..worker.quick_batches import LONG_SECONDS
from ..worker.services import WorkerServices
from ..worker.shared_slots import NOTHING_IN_FLIGHT
from .calls_in_transaction import RollBackError
from .delivery import Delivery
from .express import Express
from .one_commit import OF_A_HANDLER, OneCommit
from .transactions import SessionEndedError


class ClaimFirst(BaseException):
    """The records of an express slice are not claimed yet. If a handler calls a method that needs a claimed record,
    this exception stops the handler, and the slice is rolled back."""


class ExpressCommit(Express):
    """Works on the express slices of one run. `one_commit` executes the batches that the run claims instead."""

    def __init__(
        self,
        services: WorkerServices,
        flow: Flow,
        run: Run,
        delivery: Delivery,
        one_commit: OneCommit,
        put_back: Callable[[], None],
    ) -> None:
        super().__init__(services, flow, run, delivery, one_commit, lambda _: [], put_back)
        self._calls = one_commit.calls
        self._connection = one_commit.connection
        self._needs_claims = False  # whether a handler of this slice needed a claimed record

    def _work_on_next(self) -> list[Record] | None:
        run, current, began_at = self._run, self._delivery.current, time.monotonic()
        run.batch_size = current.batch_size or run.batch_size
        current.claim_slice = self._refuse_to_claim
        try:
            outcomes = self._commit()
        finally:
            current.claim_slice = None
            self._delivery.slots.put_in_flight(NOTHING_IN_FLIGHT)
            run.counts.records_held = 0
            self._put_back()
        if not outcomes:
            return None
        seconds = time.monotonic() - began_at
        if seconds > LONG_SECONDS:
            self._quick.note_thrown_back()
        else:
            self._note_slice(seconds, len(outcomes))
            self._run.has_all = self._size.is_last
        return []

    def _commit(self) -> list[Outcome] | None:
        """Returns the committed outcomes. Returns None if nothing was committed: the records must be claimed in the
        normal way. Raises RunLostError."""
        self._needs_claims = self._calls.handler_ran = False
        try:
            if self._is_suspicious():
                return None
            size = self._size.next()
            written, outcomes = self._connection.run(self._slice(size))
        except (
            NotExpressError, RollBackError, SessionEndedError, ConflictError, DatabaseUnavailableError, psycopg.Error
        ) as error:  # fmt: skip
            self._roll_back(error)
            return None
        self._count(written, outcomes)
        return outcomes

    def _roll_back(self, error: Exception) -> None:
        """Call this after a slice was rolled back. Raises RunLostError if the run was declared dead, or if the session
        is lost but no handler is to blame."""
        is_lost = isinstance(error, DatabaseUnavailableError)
        if is_lost and not (
            self._calls.handler_ran and sqlstate_of(error.__cause__ or error) in OF_A_HANDLER
        ):
            raise RunLostError("the database became unavailable during a one-COMMIT slice") from error
        is_spoiled = isinstance(error, RollBackError) and error.is_spoiled
        if is_lost or is_spoiled or isinstance(error, SessionEndedError):
            self._connection.recover()
        self._quick.note_thrown_back()

    async def _slice(self, size: int) -> tuple[Written, list[Outcome]]:
        """Works on one slice, in one transaction: locks at most `size` records, calls the handlers, and completes
        the records. Raises RollBackError, NotExpressError."""
        run = self._run
        async with self._connection.transaction() as opened:
            records = await opened.hold(size, self._settings.lease_seconds)
            if not records:
                return Written(), []
            run.counts.records_held = len(records)
            run.position.advance(records, size)
            run.position.count_claim()
            outcomes = await self._calls.call_all(
                records, opened, with_savepoints=False, charges_conflicts=False, seconds=LONG_SECONDS
            )
            if not outcomes or self._needs_claims or not all(isinstance(o, Completed) for o in outcomes):
                raise RollBackError(is_spoiled=outcomes is None)
            written = await opened.settle(outcomes)
            if written.refused_ids:
                raise RollBackError
        return written, outcomes

    def _count(self, written: Written, outcomes: list[Outcome]) -> None:
        counts = self._run.counts
        counts.batch_count += bool(outcomes)
        counts.records_claimed += len(outcomes)
        counts.add(written)
        self._delivery.wrote(written)

    def _refuse_to_claim(self) -> None:
        self._needs_claims = True
        raise ClaimFirst

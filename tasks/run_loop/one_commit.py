"""Processes records of one-COMMIT flows. In slices, the handlers' rows and the records' new statuses are committed
together.

A slice ends after `SLICE_SECONDS` or after `SLICE_RECORDS` records, because a long transaction prevents vacuum from
working. Usually, the first try of a slice has no savepoints. If a record is not completed, the slice is rolled back and
done again with a savepoint around each record. In the second try, only the writes of the record that is not completed
are rolled back. If records fail in `FAILING_SLICES` slices in a row, the next slices begin with savepoints. Just before
the COMMIT, the UPDATE with the fence returns which records still belong to this run. If a record does not belong to the
run any more, the slice is rolled back and done again without that record.

The slice of a batch handler is its batch. Nobody can know which writes of a batch handler belong to which record. So if
some records fail, all writes are rolled back, and the handler is called again without those records.
"""

import time
from collections.abc import Sequence

import psycopg

from queue_store.database.driver_errors import ENDED_SESSIONS, STATEMENT_CANCELLED, sqlstate_of
from queue_store.errors import ConflictError, DatabaseUnavailableError
from queue_store.records.record import Cancelled, Completed, Outcome, Record, Written
from queue_store.runs.run import Run

from ..authoring.flow import Flow
from ..exceptions import PermanentError, RunLostError
from .batch_attempt import BatchAttempts
from .calls_in_transaction import CallsInTransaction, RollBackError
from .delivery import Delivery
from .slice_connections import SliceConnection
from .transactions import MISUSE, SessionEndedError, explained

SLICE_SECONDS = 0.5
SLICE_RECORDS = 100
FAILING_SLICES = 2  # after this many slices with failures in a row, the next slice begins with savepoints
CONFLICT_TRIES = 10

# If a statement of the run itself fails with one of these codes, a handler is the cause. The server is healthy.
OF_A_HANDLER = (*ENDED_SESSIONS, STATEMENT_CANCELLED)


class OneCommit:
    """Works on the slices of one run."""

    def __init__(
        self, flow: Flow, run: Run, delivery: Delivery, attempts: BatchAttempts, connection: SliceConnection
    ) -> None:
        self.flow = flow
        self.run = run
        self.delivery = delivery
        self.attempts = attempts
        self.connection = connection
        self.calls = CallsInTransaction(flow, run, delivery, attempts)
        self._with_savepoints = False
        self._failing_slices = 0  # in a row
        self._conflicts = 0
        # Records that are not processed again: the fence refused them, they were cancelled, or their slice was rolled
        # back and their outcome was written in another transaction.
        self._settled_ids: set[int] = set()
        self._alone_ids: set[int] = set()  # processed one by one, because the database refused their slice

    def execute(self, records: Sequence[Record]) -> list[Record]:
        """Returns the records that were not started. Raises RunLostError if the run was declared dead, or if the
        connection is lost but no handler is to blame."""
        remaining = list(records)
        self._settled_ids.clear()
        self._alone_ids.clear()
        while remaining := [record for record in remaining if not self._drop(record)]:
            if self.delivery.must_stop:
                return remaining
            remaining = remaining[self.work_slice(remaining[: self._length(remaining)]) :]
        return []

    def work_slice(self, records: list[Record]) -> int:
        """Returns how many records have a committed outcome, counted from the first record. 0 means that the slice
        must be done again."""
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
            if not self.calls.handler_ran or sqlstate_of(error.__cause__ or error) not in OF_A_HANDLER:
                raise RunLostError("the database became unavailable during a one-COMMIT slice") from error
            self._roll_back(self._blame(records, error.__cause__ or error, is_spoiled=True))
            return 0
        self._note_failures(outcomes)
        self._conflicts = 0
        self.run.counts.add(written)
        self.delivery.wrote(written)
        return len(outcomes)

    def commit(self, records: list[Record], *, with_savepoints: bool) -> tuple[Written, list[Outcome]]:
        """Works on one slice and commits it. Raises RollBackError."""
        return self.connection.run(self._commit(records, with_savepoints=with_savepoints))

    def check_fence(self, written: Written) -> None:
        if written.refused_ids:
            self._settled_ids.update(written.refused_ids)
            self.run.counts.records_refused += len(written.refused_ids)
            self.delivery.wrote(Written(refused_ids=written.refused_ids))
            raise RollBackError

    async def _commit(self, records: list[Record], *, with_savepoints: bool) -> tuple[Written, list[Outcome]]:
        async with self.connection.transaction() as opened:
            outcomes = await self.calls.call_all(
                records,
                opened,
                with_savepoints=with_savepoints,
                charges_conflicts=self._conflicts >= CONFLICT_TRIES,
                seconds=SLICE_SECONDS,
            )
            if outcomes is None:
                raise self._blame(records, PermanentError(MISUSE), is_spoiled=True)
            written = await opened.write(outcomes)
            self.check_fence(written)
        return written, outcomes

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
        """Decides whether the next slice begins with savepoints. If only some slices need savepoints, it costs less to
        do these slices twice than to use savepoints in every slice."""
        has_failures = any(not isinstance(outcome, Completed) for outcome in outcomes)
        self._failing_slices = self._failing_slices + 1 if has_failures else 0
        self.delivery.setbacks += has_failures
        self._with_savepoints = self._failing_slices >= FAILING_SLICES

    def _blame(
        self, records: list[Record], error: BaseException, *, is_spoiled: bool = False
    ) -> RollBackError:
        """If the slice had several records, it is not known which of them made the run's statement or the COMMIT fail.
        So each record is processed again in a slice of its own. If the error occurs again, the attempt is charged to
        the one record of that slice."""
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

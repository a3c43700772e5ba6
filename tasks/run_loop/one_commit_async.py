"""One COMMIT for `async def` handlers: the same slices, on an asynchronous connection and the process' event loop."""

from typing import Any

import psycopg

from queue_store.database.async_connection import AsyncHeldConnection
from queue_store.errors import ClaimLostError
from queue_store.records.record import Outcome, Record, Written
from queue_store.runs.async_writing import write_in_async
from queue_store.runs.run import Run
from queue_store.runs.sessions import adopt_session

from ..authoring.flow import Flow
from ..exceptions import RunLostError
from ..worker.event_loop import EventLoop
from .batch_attempt import BatchAttempts
from .delivery import Delivery
from .one_commit import OneCommit, SliceSteps
from .transactions import AsyncTransaction


class AsyncOneCommit(OneCommit):
    def __init__(
        self, declared: Flow, run: Run, delivery: Delivery, attempts: BatchAttempts, event_loop: EventLoop
    ) -> None:
        super().__init__(declared, run, delivery, attempts)
        self._event_loop = event_loop
        self._held: AsyncHeldConnection | None = None

    def commit(self, records: list[Record], *, with_savepoints: bool) -> tuple[Written, list[Outcome]]:
        return self._event_loop.run(self._commit(records, with_savepoints=with_savepoints))

    def recover(self) -> None:
        self._event_loop.run(self._close())

    def end(self) -> None:
        self._event_loop.run(self._close())

    async def _commit(self, records: list[Record], *, with_savepoints: bool) -> tuple[Written, list[Outcome]]:
        held = await self._open()
        async with held.transaction() as cursor:
            self.driver = await held.driver()
            transaction = AsyncTransaction(
                held.sqlalchemy,
                self.driver,
                self.declared.transaction_type,
                savepoints=with_savepoints or self.declared.batch,
            )
            outcomes = await self._work_async(
                self.steps(records, with_savepoints=with_savepoints), cursor, transaction, with_savepoints
            )
            written = await write_in_async(self.run, cursor, outcomes)
            self.check_fence(written)
        return written, outcomes

    async def _open(self) -> AsyncHeldConnection:
        """Rescue ends the session that can hold locks for long, and so it has to know this one."""
        if self._held is None:
            held = await AsyncHeldConnection.open(self.run.database.async_engine)
            async with held.transaction() as cursor:
                if not await adopt_session(cursor, self.run.flow_instance_id):
                    raise RunLostError("this run was declared dead") from ClaimLostError([])
            self._held = held
        return self._held

    async def _close(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            await held.close()

    async def _work_async(
        self,
        steps: SliceSteps,
        cursor: "psycopg.AsyncCursor[Any]",
        transaction: AsyncTransaction,
        with_savepoints: bool,
    ) -> list[Outcome]:
        answer: list[Outcome] | None = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as stop:
                return stop.value
            answer = None
            if isinstance(step, bytes):
                await cursor.execute(step)
            else:
                answer = await self._call_async(step, transaction, with_savepoints)

    async def _call_async(
        self, call: list[Record], transaction: AsyncTransaction, with_savepoints: bool
    ) -> list[Outcome]:
        self.transaction = transaction
        given = transaction.open()
        is_tentative = not with_savepoints and not self.declared.batch
        if self.declared.batch:
            called = await self.attempts.attempt_batch_async(call, given)
        else:
            called = [await self.attempts.attempt_async(call[0], given, is_tentative=is_tentative)]
        error: Exception | None = None
        try:
            await transaction.close()
        except Exception as raised:  # noqa: BLE001
            error = raised
        return self.judged(call, called, error, is_tentative=is_tentative)

    async def _handler(self, payload: Any, **given: Any) -> Any:
        result = await self.declared.handler(payload, **given)
        await self.transaction.settle()
        return result

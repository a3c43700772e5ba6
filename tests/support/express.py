"""Handlers for express slices. Each handler reads the rows of its own records."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from tasks import FlowContext
from tests.support.flow_runs import Worker

PATIENCE_SECONDS = 30.0


class Seen:
    """The statuses that handlers saw in the rows of their own records, in the order of the calls."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.statuses: list[str] = []

    def look(self, record_ids: Sequence[int]) -> None:
        rows = self.worker.rows(list(record_ids))
        self.statuses += [row.status for row in rows]

    def wait_until_claimed(self, record_id: int) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.worker.rows([record_id])[0].status != "processing":
            assert time.monotonic() < deadline, "the slice was not claimed"
            time.sleep(0.005)


def plain(seen: Seen) -> Callable[..., Any]:
    def handle(payload: Any, context: FlowContext) -> None:
        seen.look([context.record_id])

    return handle


def asynchronous(seen: Seen) -> Callable[..., Any]:
    async def handle(payload: Any, context: FlowContext) -> None:
        await asyncio.to_thread(seen.look, [context.record_id])

    return handle


def batch(seen: Seen) -> Callable[..., Any]:
    def handle(records: list[FlowContext]) -> None:
        seen.look([record.record_id for record in records])

    return handle


def asynchronous_batch(seen: Seen) -> Callable[..., Any]:
    async def handle(records: list[FlowContext]) -> None:
        await asyncio.to_thread(seen.look, [record.record_id for record in records])

    return handle


KINDS = [(plain, {}), (asynchronous, {}), (batch, {"batch": True}), (asynchronous_batch, {"batch": True})]

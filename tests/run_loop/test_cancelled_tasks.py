"""A handler may cancel asyncio tasks, even its own. It is still called only once for each attempt, and its outcome is
kept. No cancelled task prevents a run from ending."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from tasks import FlowContext
from tests.support.flow_runs import Worker

CALLS_TOO_MANY = 50  # ends an endless repetition


class Calls:
    def __init__(self) -> None:
        self.count = 0
        self.left: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        self.count += 1
        assert self.count < CALLS_TOO_MANY, "the handler is called again and again"


@pytest.fixture
def calls() -> Iterator[Calls]:
    calls = Calls()
    yield calls
    for task in calls.left:
        task.get_loop().call_soon_threadsafe(task.cancel)


def cancel(which: str) -> None:
    """A handler calls this function last, and then returns without another `await`."""
    own = asyncio.current_task()
    assert own is not None
    for task in [own] if which == "own" else asyncio.all_tasks():
        task.cancel()


@pytest.mark.parametrize("express", [True, False])
@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("which", ["own", "all"])
def test_each_handler_is_called_once(
    worker: Worker, at_once: None, calls: Calls, which: str, concurrency: int, express: bool
) -> None:
    async def handle(payload: int) -> int:
        calls.begin()
        cancel(which)
        return payload

    flow = worker.declare(
        handle, concurrency=concurrency, express=express and concurrency == 1, batch_size=5, max_retries=0
    )
    ids = worker.enqueue("handle", range(10))
    worker.run(flow)
    rows = worker.rows(ids)
    assert [(row.status, row.result) for row in rows] == [("completed", number) for number in range(10)]
    assert calls.count == 10


@pytest.mark.parametrize("express", [True, False])
def test_a_stop_ends_the_run(worker: Worker, at_once: None, calls: Calls, express: bool) -> None:
    async def handle(payload: int) -> None:
        calls.begin()
        worker.services.current_run.flow_is_closed = True  # type: ignore[union-attr]
        cancel("all")

    rows = worker.process(handle, range(10), express=express, batch_size=10, max_retries=0)
    assert {row.status for row in rows} <= {"completed", "pending"}
    assert calls.count == [row.status for row in rows].count("completed") >= 1


@pytest.mark.parametrize("stops", [True, False])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_tasks_that_are_always_cancelled_before_they_begin_do_not_hold_the_run(
    worker: Worker, calls: Calls, concurrency: int, stops: bool
) -> None:
    """The first handler leaves an asyncio task behind. In each round of the loop, this task cancels all others."""

    async def cancel_the_others() -> None:
        while True:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)

    async def handle(payload: int) -> None:
        if not calls.left:
            calls.left.append(asyncio.create_task(cancel_the_others()))
            await asyncio.sleep(0)
            if stops:
                worker.services.current_run.flow_is_closed = True  # type: ignore[union-attr]

    rows = worker.process(handle, range(6), concurrency=concurrency, batch_size=6, max_retries=0)
    assert {row.status for row in rows} <= {"completed", "failed", "pending" if stops else "failed"}
    assert calls.left  # the task that cancels


def handlers(calls: Calls, which: str) -> dict[str, Any]:
    def act() -> None:
        calls.begin()
        cancel(which)

    async def with_connection(payload: Any, connection: AsyncConnection) -> None:
        await connection.exec_driver_sql("SELECT 1")
        act()

    async def with_driver(payload: Any, connection: "psycopg.AsyncConnection[Any]") -> None:
        act()

    async def batch(records: list[FlowContext]) -> None:
        act()

    async def batch_with_connection(records: list[FlowContext], connection: AsyncConnection) -> None:
        act()

    async def batch_with_driver(
        records: list[FlowContext], connection: "psycopg.AsyncConnection[Any]"
    ) -> None:
        act()

    written = [with_connection, with_driver, batch, batch_with_connection, batch_with_driver]
    return {handler.__name__: handler for handler in written}


@pytest.mark.parametrize("express", [True, False])
@pytest.mark.parametrize("which", ["own", "all"])
@pytest.mark.parametrize("kind", handlers(Calls(), ""))
def test_slices_and_batches_are_kept_too(
    worker: Worker, at_once: None, calls: Calls, kind: str, which: str, express: bool
) -> None:
    options = {"batch": kind.startswith("batch"), "express": express, "batch_size": 3, "max_retries": 0}
    rows = worker.process(handlers(calls, which)[kind], range(6), **options)
    assert {row.status for row in rows} == {"completed"}
    assert calls.count == (2 if options["batch"] else 6)


@pytest.mark.parametrize("express", [True, False])
@pytest.mark.parametrize("batch", [True, False])
def test_a_session_whose_last_statement_is_cancelled_is_charged_once(
    worker: Worker, at_once: None, calls: Calls, batch: bool, express: bool
) -> None:
    """After the handler has returned, the session sends its last statements in the same asyncio task."""

    async def one(payload: Any, session: AsyncSession) -> None:
        calls.begin()
        await session.execute(text("SELECT 1"))
        cancel("own")

    async def several(records: list[FlowContext], session: AsyncSession) -> None:
        await one(records, session)

    rows = worker.process(
        several if batch else one, range(6), batch=batch, express=express, batch_size=3, max_retries=0
    )
    assert {row.status for row in rows} == {"failed" if batch else "completed"}

"""`scheduled_at` may have any offset from UTC that Python allows, however the record is enqueued. The record is due at
that instant. Postgres itself refuses offsets of 16 hours or more."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest

from queue_store import DatabaseManager, NewRecord, aenqueue, enqueue, enqueue_many
from queue_store.enqueueing.task_ids import enqueue_with_task_id
from tasks.authoring.context import FlowContext
from tests.support.flow_rows import register_flow
from tests.support.flow_runs import Worker

OFFSETS = {
    "20 h": timedelta(hours=20),
    "-23:59": timedelta(hours=-23, minutes=-59),
    "a fraction of a second": timedelta(minutes=53, microseconds=500),
}
Door = Callable[[Any, datetime], object]


def one(cursor: Any, due_at: datetime) -> object:
    return enqueue(cursor, "survey", {}, scheduled_at=due_at)


def many(cursor: Any, due_at: datetime) -> object:
    return enqueue_many(cursor, "survey", [{}], scheduled_at=due_at)


def many_of_its_own(cursor: Any, due_at: datetime) -> object:
    return enqueue_many(cursor, "survey", [NewRecord({}, scheduled_at=due_at)])


def many_replaced(cursor: Any, due_at: datetime) -> object:
    enqueue(cursor, "survey", {}, dedup_key="k")
    row = NewRecord({}, scheduled_at=due_at, dedup_key="k")
    return enqueue_many(cursor, "survey", [row], on_duplicate="replace")


def with_task_id(cursor: Any, due_at: datetime) -> object:
    return enqueue_with_task_id(cursor, "survey", NewRecord({}, scheduled_at=due_at), "t")


@pytest.fixture(params=OFFSETS.values(), ids=list(OFFSETS))
def due_at(request: pytest.FixtureRequest) -> datetime:
    return datetime(2040, 1, 31, 12, tzinfo=timezone(request.param))


@pytest.mark.parametrize("door", [one, many, many_of_its_own, many_replaced, with_task_id])
def test_in_the_callers_transaction(database: DatabaseManager, door: Door, due_at: datetime) -> None:
    register_flow(database, "survey")
    with database.transaction() as cursor:
        door(cursor, due_at)
        assert cursor.execute("SELECT scheduled_at FROM processing_queue").fetchall() == [(due_at,)]


def test_on_an_asynchronous_connection(database: DatabaseManager, due_at: datetime) -> None:
    register_flow(database, "survey")
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)

    async def work() -> None:
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await aenqueue(connection, "survey", {}, scheduled_at=due_at)

    asyncio.run(work())
    with database.transaction() as cursor:
        assert cursor.execute("SELECT scheduled_at FROM processing_queue").fetchall() == [(due_at,)]


def test_as_a_follow_up(worker: Worker, due_at: datetime) -> None:
    worker.declare(lambda payload: None, name="survey")

    def first(payload: Any, context: FlowContext[Any]) -> None:
        context.enqueue("survey", {}, scheduled_at=due_at)

    worker.process(first, [{}])
    [follow_up] = worker.query("SELECT scheduled_at FROM processing_queue WHERE flow_name = 'survey'")
    assert follow_up.scheduled_at == due_at.astimezone(UTC)

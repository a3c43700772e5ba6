"""Even if a handler returns while a savepoint is still open, its rows and its record's outcome are committed together
or not at all. No record is completed if its rows were rolled back."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session

from queue_store.records.record import Completed, Snooze
from tasks import FlowContext
from tasks.run_loop import one_commit
from tasks.run_loop.calls_in_transaction import RollBackError
from tests.support.flow_runs import Worker
from tests.support.store import Store

INSERT = "INSERT INTO effects VALUES (%s)"
KEPT: list[Any] = []  # psycopg rolls an abandoned block back, so the tests keep the blocks


@pytest.fixture(params=["express", "claimed", "with savepoints"])
def express(request: pytest.FixtureRequest, at_once: None, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the flow is express. If the flow is not express, its slices may begin with savepoints."""
    if request.param == "with savepoints":
        monkeypatch.setattr(one_commit, "FAILING_SLICES", 0)
    return request.param == "express"


@pytest.fixture
def effects(worker: Worker) -> Iterator[Worker]:
    """The table has no unique constraint, so that the tests notice a duplicate effect."""
    worker.query("CREATE TABLE effects (record_id bigint)")
    yield worker
    worker.query("DROP TABLE effects")
    KEPT.clear()


def write(record: FlowContext, connection: Connection) -> None:
    match record.payload:
        case "begin_nested":
            connection.begin_nested()
        case "two savepoints":
            connection.begin_nested()
            connection.begin_nested()
        case "raw":
            connection.exec_driver_sql("SAVEPOINT of_the_handler")
        case "our name":
            connection.exec_driver_sql("SAVEPOINT processing_queue_record")
        case "block":
            block = connection.connection.driver_connection.transaction()  # type: ignore[union-attr]
            KEPT.append(block)
            block.__enter__()
    connection.exec_driver_sql(INSERT, (record.record_id,))
    if record.payload == "released below":
        connection.begin_nested()
        connection.exec_driver_sql("SAVEPOINT lower")
        connection.exec_driver_sql("RELEASE SAVEPOINT sa_savepoint_1")


async def write_async(record: FlowContext, connection: AsyncConnection) -> None:
    if record.payload == "block":
        raw = await connection.get_raw_connection()
        block = raw.driver_connection.transaction()  # type: ignore[union-attr]
        KEPT.append(block)
        await block.__aenter__()
        await connection.exec_driver_sql(INSERT, (record.record_id,))
    else:
        await connection.run_sync(lambda sync: write(record, sync))


def write_with_driver(record: FlowContext, connection: "psycopg.Connection[Any]") -> None:
    if record.payload == "block":
        KEPT.append(connection.transaction())
        KEPT[-1].__enter__()
    elif record.payload == "raw":
        connection.execute("SAVEPOINT of_the_handler")
    connection.execute(INSERT, (record.record_id,))


async def write_with_async_driver(record: FlowContext, connection: "psycopg.AsyncConnection[Any]") -> None:
    if record.payload == "block":
        KEPT.append(connection.transaction())
        await KEPT[-1].__aenter__()
    elif record.payload == "raw":
        await connection.execute("SAVEPOINT of_the_handler")
    await connection.execute(INSERT, (record.record_id,))


def write_with_session(record: FlowContext, session: Session) -> None:
    if record.payload == "session":
        session.begin_nested()
        session.execute(text(f"INSERT INTO effects VALUES ({record.record_id})"))  # noqa: S608
    else:
        write(record, session.connection())


async def write_with_async_session(record: FlowContext, session: AsyncSession) -> None:
    if record.payload == "session":
        await session.begin_nested()
        await session.execute(text(f"INSERT INTO effects VALUES ({record.record_id})"))  # noqa: S608
    else:
        await write_async(record, await session.connection())


def plain(payload: str, connection: Connection, context: FlowContext) -> None:
    write(context, connection)


async def asynchronous(payload: str, connection: AsyncConnection, context: FlowContext) -> None:
    await write_async(context, connection)


def with_driver(payload: str, connection: "psycopg.Connection[Any]", context: FlowContext) -> None:
    write_with_driver(context, connection)


async def with_async_driver(
    payload: str, connection: "psycopg.AsyncConnection[Any]", context: FlowContext
) -> None:
    await write_with_async_driver(context, connection)


def with_session(payload: str, session: Session, context: FlowContext) -> None:
    write_with_session(context, session)


async def with_async_session(payload: str, session: AsyncSession, context: FlowContext) -> None:
    await write_with_async_session(context, session)


def batch(records: list[FlowContext], connection: Connection) -> None:
    for record in records:
        write(record, connection)


async def asynchronous_batch(records: list[FlowContext], connection: AsyncConnection) -> None:
    for record in records:
        await write_async(record, connection)


def batch_with_driver(records: list[FlowContext], connection: "psycopg.Connection[Any]") -> None:
    for record in records:
        write_with_driver(record, connection)


def batch_with_session(records: list[FlowContext], session: Session) -> None:
    for record in records:
        write_with_session(record, session)


async def asynchronous_batch_with_session(records: list[FlowContext], session: AsyncSession) -> None:
    for record in records:
        await write_with_async_session(record, session)


KEPT_BY_CONNECTIONS = ("begin_nested", "two savepoints", "raw", "our name")
CONNECTIONS = [(handler, KEPT_BY_CONNECTIONS) for handler in (plain, asynchronous)]
DRIVERS = [(handler, ("raw",)) for handler in (with_driver, with_async_driver)]
SESSIONS = [(handler, ("session", "raw")) for handler in (with_session, with_async_session)]
KEEPING = [(handler, how) for handler, hows in CONNECTIONS + DRIVERS + SESSIONS for how in hows]
REFUSED = [
    (plain, "block"), (plain, "released below"), (asynchronous, "block"), (asynchronous, "released below"),
    (with_driver, "block"), (with_async_driver, "block"), (with_session, "block"), (with_session, "begin_nested"),
    (with_async_session, "block"), (with_async_session, "begin_nested"),
]  # fmt: skip
BATCHES = [
    (batch, "begin_nested", "completed"), (batch, "two savepoints", "completed"), (batch, "raw", "completed"),
    (batch, "block", "failed"), (batch, "released below", "failed"),
    (asynchronous_batch, "begin_nested", "completed"), (asynchronous_batch, "block", "failed"),
    (batch_with_driver, "raw", "completed"), (batch_with_driver, "block", "failed"),
    (batch_with_session, "session", "completed"), (batch_with_session, "begin_nested", "failed"),
    (asynchronous_batch_with_session, "session", "completed"),
    (asynchronous_batch_with_session, "begin_nested", "failed"),
]  # fmt: skip
# In each test, the run must claim this batch before it can be express.
CLAIMED = [""] * 4


def process(worker: Worker, handler: Any, payloads: list[str], **options: Any) -> list[Any]:
    """Returns the rows of the records with these payloads. Each completed record has one effect, and no other record
    has any."""
    flow = worker.declare(handler, name="sample", batch_size=len(CLAIMED), max_retries=0, **options)
    ids = worker.enqueue("sample", CLAIMED) and worker.enqueue("sample", payloads)
    worker.run(flow)
    effects = worker.query("SELECT record_id FROM effects ORDER BY 1")
    completed = worker.query("SELECT id FROM processing_queue WHERE status = 'completed' ORDER BY 1")
    assert [effect.record_id for effect in effects] == [record.id for record in completed]
    return worker.rows(ids)


@pytest.mark.parametrize(("handler", "how"), KEEPING)
def test_the_rows_of_an_open_savepoint_are_committed(
    effects: Worker, handler: Any, how: str, express: bool
) -> None:
    rows = process(effects, handler, ["", how, how, ""], express=express)
    assert [(row.status, row.retry_count) for row in rows] == [("completed", 0)] * 4


@pytest.mark.filterwarnings("ignore:nested transaction already deassociated")
@pytest.mark.parametrize(("handler", "how"), REFUSED)
def test_a_record_whose_savepoint_cannot_be_released_fails_alone(
    effects: Worker, handler: Any, how: str, express: bool
) -> None:
    rows = process(effects, handler, ["", how, ""], express=express)
    assert [row.status for row in rows] == ["completed", "failed", "completed"]
    assert [row.exception_type for row in effects.query("SELECT exception_type FROM record_attempts")] == [
        "PermanentError"
    ]


@pytest.mark.filterwarnings("ignore:nested transaction already deassociated")
@pytest.mark.parametrize("express", [True, False])
@pytest.mark.parametrize(("handler", "how", "status"), BATCHES)
def test_a_batch_is_committed_or_fails_as_a_whole(
    effects: Worker, at_once: None, handler: Any, how: str, status: str, express: bool
) -> None:
    rows = process(effects, handler, ["", how, ""], batch=True, express=express)
    assert [row.status for row in rows] == [status] * 3


@pytest.mark.parametrize("how", ["rollback", "error"])
def test_a_hook_that_spoils_the_transaction_is_charged(effects: Worker, how: str, express: bool) -> None:
    """The hook `after` runs after the handler has returned."""
    given: list[Connection] = []

    def handle(payload: str, connection: Connection, context: FlowContext) -> None:
        write(context, connection)
        given.append(connection)

    def after(context: FlowContext, result: Any) -> None:
        connection = given.pop()
        if context.payload == "rollback":
            connection.exec_driver_sql("ROLLBACK")
        elif context.payload == "error":
            with pytest.raises(Exception, match="division"):
                connection.exec_driver_sql("SELECT 1 / 0")

    rows = process(effects, handle, ["", how, ""], express=express, after=after)
    assert [row.status for row in rows] == ["completed", "failed", "completed"]


def test_no_record_can_be_completed_after_a_rollback(store: Store) -> None:
    store.enqueue(2)
    first, second = store.run().begin()
    with pytest.raises(AssertionError):
        RollBackError([Snooze(first, 0), Completed(second, 0.0, 0.0)])

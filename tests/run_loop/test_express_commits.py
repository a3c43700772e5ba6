"""If a handler writes through the transaction of its express slice, one COMMIT writes the claim, the handler's rows and
the outcome."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session

from queue_store.runs.sessions import terminate_sessions
from tasks import FlowContext, PermanentError
from tests.runs.test_lost_commits import lose_the_answer
from tests.support.express import Seen
from tests.support.flow_runs import Worker

INSERT = "INSERT INTO effects (record_id) VALUES (%(record_id)s)"
SETTINGS = """
SELECT current_setting('plan_cache_mode'), current_setting('enable_seqscan'), current_setting('enable_bitmapscan')
"""
Judge = Callable[[Any, FlowContext], Any]


@pytest.fixture
def effects(worker: Worker) -> Iterator[Worker]:
    """The table has no unique constraint, so that the tests notice a doubled effect."""
    worker.query("CREATE TABLE effects (record_id bigint CHECK (record_id > 0))")
    yield worker
    worker.query("DROP TABLE effects")


def plain(judge: Judge) -> Callable[..., Any]:
    def handle(payload: Any, connection: Connection, context: FlowContext) -> Any:
        connection.exec_driver_sql(INSERT, {"record_id": context.record_id})
        return judge(payload, context)

    return handle


def with_session(judge: Judge) -> Callable[..., Any]:
    def handle(payload: Any, session: Session, context: FlowContext) -> Any:
        session.execute(text("INSERT INTO effects VALUES (:id)"), {"id": context.record_id})
        return judge(payload, context)

    return handle


def with_driver(judge: Judge) -> Callable[..., Any]:
    def handle(payload: Any, connection: "psycopg.Connection[Any]", context: FlowContext) -> Any:
        connection.execute(INSERT, {"record_id": context.record_id})
        return judge(payload, context)

    return handle


def asynchronous(judge: Judge) -> Callable[..., Any]:
    async def handle(payload: Any, connection: AsyncConnection, context: FlowContext) -> Any:
        await connection.exec_driver_sql(INSERT, {"record_id": context.record_id})
        return await asyncio.to_thread(judge, payload, context)

    return handle


def with_async_session(judge: Judge) -> Callable[..., Any]:
    async def handle(payload: Any, session: AsyncSession, context: FlowContext) -> Any:
        await session.execute(text("INSERT INTO effects VALUES (:id)"), {"id": context.record_id})
        return await asyncio.to_thread(judge, payload, context)

    return handle


def batch(judge: Judge) -> Callable[..., Any]:
    def handle(records: list[FlowContext], connection: Connection) -> Any:
        for record in records:
            connection.exec_driver_sql(INSERT, {"record_id": record.record_id})
        return [judge(record.payload, record) for record in records]

    return handle


KINDS = [
    (plain, {}),
    (with_session, {}),
    (with_driver, {}),
    (asynchronous, {}),
    (with_async_session, {}),
    (batch, {"batch": True}),
]
PLAIN_AND_ASYNC = [plain, asynchronous]


def effects_of(worker: Worker, record_ids: list[int]) -> list[int]:
    rows = worker.query("SELECT record_id FROM effects ORDER BY record_id")
    return [row.record_id for row in rows if row.record_id in record_ids]


def written(worker: Worker, record_ids: list[int]) -> set[tuple[str, int, int]]:
    return {(row.status, row.claim_number, row.retry_count) for row in worker.rows(record_ids)}


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_a_run_goes_on_with_slices_after_its_first_claim(
    effects: Worker, seen: Seen, kind: Any, options: Any
) -> None:
    def look(payload: Any, context: FlowContext) -> None:
        seen.look([context.record_id])

    flow = effects.declare(kind(look), name="sample", batch_size=5, express=True, **options)
    record_ids = effects.enqueue("sample", range(23))
    counts = effects.run(flow)
    assert seen.statuses == ["processing"] * 5 + ["pending"] * 18
    assert written(effects, record_ids) == {("completed", 1, 0)}
    assert effects_of(effects, record_ids) == record_ids
    assert (counts.records_claimed, counts.records_completed, counts.batch_count) == (23, 23, 5)
    assert counts.records_held == 0
    assert effects.query("SELECT sum(claimed) AS n, sum(completed) AS done FROM rollup_deltas") == [(23, 23)]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_a_failure_charges_its_record_only_and_takes_back_its_rows_only(
    effects: Worker, kind: Any, options: Any
) -> None:
    def fail(payload: Any, context: FlowContext) -> Any:
        if payload != 7:
            return None
        if kind is batch:  # if the call raised an exception, all its records would fail
            return PermanentError("no")
        raise PermanentError("no")

    flow = effects.declare(kind(fail), name="sample", batch_size=4, express=True, **options)
    record_ids = effects.enqueue("sample", range(14))
    effects.run(flow)
    innocent = [record_id for n, record_id in enumerate(record_ids) if n != 7]
    assert written(effects, innocent) == {("completed", 1, 0)}
    assert written(effects, [record_ids[7]]) == {("failed", 1, 1)}
    assert effects_of(effects, record_ids) == innocent


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("kind", PLAIN_AND_ASYNC)
def test_a_handler_that_ends_the_transaction_fails_alone(effects: Worker, kind: Any) -> None:
    def end(payload: Any, connection: Connection, context: FlowContext) -> None:
        connection.exec_driver_sql(INSERT, {"record_id": context.record_id})
        if payload == 5:
            connection.exec_driver_sql("COMMIT")

    async def end_async(payload: Any, connection: AsyncConnection, context: FlowContext) -> None:
        await connection.exec_driver_sql(INSERT, {"record_id": context.record_id})
        if payload == 5:
            await connection.exec_driver_sql("ROLLBACK")

    handler = end if kind is plain else end_async
    flow = effects.declare(handler, name="sample", batch_size=4, express=True)
    record_ids = effects.enqueue("sample", range(12))
    effects.run(flow)
    innocent = [record_id for n, record_id in enumerate(record_ids) if n != 5]
    assert written(effects, innocent) == {("completed", 1, 0)}
    assert [row.status for row in effects.rows([record_ids[5]])] == ["failed"]
    assert effects_of(effects, record_ids) == innocent


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("kind", PLAIN_AND_ASYNC)
@pytest.mark.parametrize("hides_it", [False, True])
def test_progress_is_reported_of_claimed_records(effects: Worker, kind: Any, hides_it: bool) -> None:
    told: list[bool] = []

    def report(payload: Any, context: FlowContext) -> None:
        if payload != 5:
            return
        try:
            told.append(context.report_progress({"half": True}))
        except BaseException:
            if not hides_it:
                raise

    flow = effects.declare(kind(report), name="sample", batch_size=4, express=True)
    record_ids = effects.enqueue("sample", range(8))
    effects.run(flow)
    assert told == [True]
    assert written(effects, record_ids) == {("completed", 1, 0)}
    assert effects_of(effects, record_ids) == record_ids


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("kind", PLAIN_AND_ASYNC)
def test_a_lost_session_writes_nothing_twice_and_charges_nobody(effects: Worker, kind: Any) -> None:
    ended: list[int] = []

    def end_the_session(payload: Any, context: FlowContext) -> None:
        if payload == 5 and not ended:
            ended.append(payload)
            assert effects.services.current_run is not None
            with effects.services.database.transaction() as cursor:
                terminate_sessions(cursor, effects.services.current_run.run.flow_instance_id)

    flow = effects.declare(kind(end_the_session), name="sample", batch_size=4, express=True)
    record_ids = effects.enqueue("sample", range(12))
    while effects.statuses().get("completed") != 12:
        effects.services.rescue.sweep()
        effects.run(flow)
    assert written(effects, record_ids) == {("completed", 1, 0)}
    assert effects_of(effects, record_ids) == record_ids


@pytest.mark.usefixtures("at_once")
def test_a_commit_without_an_answer_counts_once(effects: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(payload: Any, context: FlowContext) -> None:
        if payload == 5:
            lose_the_answer(monkeypatch, has_happened=True)

    flow = effects.declare(plain(lose), name="sample", batch_size=4, express=True)
    record_ids = effects.enqueue("sample", range(12))
    effects.run(flow)
    assert effects.statuses() == {"completed": 8, "pending": 4}
    effects.run(flow)
    assert written(effects, record_ids) == {("completed", 1, 0)}
    assert effects_of(effects, record_ids) == record_ids
    assert effects.query("SELECT sum(claimed) AS n FROM rollup_deltas") == [(12,)]


@pytest.mark.usefixtures("at_once")
def test_a_run_that_is_dead_commits_nothing(effects: Worker) -> None:
    death = "UPDATE flow_execution_logs SET state = 'dead', finished_at = clock_timestamp() WHERE state = 'running'"

    def declare_dead(payload: Any, context: FlowContext) -> None:
        if payload == 5:
            effects.query(death)

    flow = effects.declare(plain(declare_dead), name="sample", batch_size=4, express=True)
    record_ids = effects.enqueue("sample", range(12))
    effects.run(flow)
    assert effects.statuses() == {"completed": 4, "pending": 8}
    assert effects_of(effects, record_ids) == record_ids[:4]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("kind", PLAIN_AND_ASYNC)
def test_the_statements_of_handlers_are_planned_as_elsewhere(effects: Worker, kind: Any) -> None:
    seen: list[Any] = []

    def ask(payload: Any, connection: Connection) -> None:
        seen.append(tuple(connection.exec_driver_sql(SETTINGS).one()))

    async def ask_async(payload: Any, connection: AsyncConnection) -> None:
        seen.append(tuple((await connection.exec_driver_sql(SETTINGS)).one()))

    flow = effects.declare(ask if kind is plain else ask_async, name="sample", batch_size=4, express=True)
    effects.enqueue("sample", range(8))
    effects.run(flow)
    assert seen == [("auto", "on", "on")] * 8


@pytest.mark.usefixtures("at_once")
def test_a_long_slice_ends_with_the_handler_in_hand(
    effects: Worker, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.run_loop.express_commit.LONG_SECONDS", 0.0)

    def look(payload: Any, context: FlowContext) -> None:
        seen.look([context.record_id])

    flow = effects.declare(plain(look), name="sample", batch_size=4, express=True)
    record_ids = effects.enqueue("sample", range(8))
    effects.run(flow)
    assert seen.statuses[:5] == ["processing"] * 4 + ["pending"]
    assert "processing" in seen.statuses[5:]  # the records that had their express attempt
    assert written(effects, record_ids) == {("completed", 1, 0)}
    assert effects.services.quick_batches["sample"].wanted > 3

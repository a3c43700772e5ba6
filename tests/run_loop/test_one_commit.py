"""A handler's rows and its record's new status are committed together. If a record fails, only the rows of its own
handler are rolled back."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session

from queue_store.liveness.worker_processes import server_identity
from queue_store.queue_schema import queue_schema
from tasks import Backoff, FlowContext, PermanentError, SnoozeRecord
from tasks.run_loop import one_commit
from tests.support.flow_runs import Worker
from tests.support.locks import wait_until_blocked
from tests.support.store import in_background

END_SESSIONS = """
SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity
WHERE state = 'idle in transaction' AND datname = current_database() AND pid <> pg_backend_pid()
"""
INSERT = "INSERT INTO effects (record_id, what) VALUES (%(record_id)s, %(what)s)"


@pytest.fixture
def effects(worker: Worker) -> Iterator[Worker]:
    """The table has no unique constraint, so that the tests notice a doubled effect."""
    worker.query("CREATE TABLE effects (record_id bigint, what text CHECK (what <> 'refused'))")
    yield worker
    worker.query("DROP TABLE effects")


def row(payload: dict[str, Any], context: FlowContext) -> dict[str, Any]:
    return {"record_id": context.record_id, "what": payload["what"]}


def judge(payload: dict[str, Any]) -> None:
    match payload["what"]:
        case "fail":
            raise PermanentError("wrote first, failed then")
        case "retry":
            raise ValueError
        case "snooze":
            raise SnoozeRecord(60)


def with_connection(payload: dict[str, Any], connection: Connection, context: FlowContext) -> None:
    connection.exec_driver_sql(INSERT, row(payload, context))
    judge(payload)


def with_session(payload: dict[str, Any], session: Session, context: FlowContext) -> None:
    session.execute(
        text("INSERT INTO effects (record_id, what) VALUES (:record_id, :what)"), row(payload, context)
    )
    judge(payload)


def with_driver(payload: dict[str, Any], connection: "psycopg.Connection[Any]", context: FlowContext) -> None:
    connection.execute(INSERT, row(payload, context))
    judge(payload)


async def with_async_connection(
    payload: dict[str, Any], connection: AsyncConnection, context: FlowContext
) -> None:
    await connection.exec_driver_sql(INSERT, row(payload, context))
    judge(payload)


async def with_async_session(payload: dict[str, Any], session: AsyncSession, context: FlowContext) -> None:
    insert = text("INSERT INTO effects (record_id, what) VALUES (:record_id, :what)")
    await session.execute(insert, row(payload, context))
    judge(payload)


async def with_async_driver(
    payload: dict[str, Any], connection: "psycopg.AsyncConnection[Any]", context: FlowContext
) -> None:
    await connection.execute(INSERT, row(payload, context))
    judge(payload)


HANDLERS = [
    with_connection, with_session, with_driver, with_async_connection, with_async_session, with_async_driver,
]  # fmt: skip
PLAIN = HANDLERS[:3]


def payloads(*whats: str) -> list[dict[str, Any]]:
    return [{"what": what} for what in whats]


def effects_match(worker: Worker) -> bool:
    """Whether each completed record has exactly one effect, and no other record has any."""
    effects = worker.query("SELECT record_id FROM effects ORDER BY 1")
    completed = worker.query("SELECT id FROM processing_queue WHERE status = 'completed' ORDER BY 1")
    return [effect.record_id for effect in effects] == [record.id for record in completed]


@pytest.mark.parametrize("handler", HANDLERS)
def test_the_rows_of_completed_records_are_there_and_those_of_others_are_not(
    effects: Worker, handler: Any
) -> None:
    whats = ["a", "fail", "b", "retry", "snooze", "refused", "c"]
    rows = effects.process(handler, payloads(*whats), max_retries=0)
    assert [row.status for row in rows] == [
        "completed", "failed", "completed", "failed", "pending", "failed", "completed",
    ]  # fmt: skip
    assert effects_match(effects)
    assert "effects_what_check" in rows[5].error_message


@pytest.mark.parametrize("handler", HANDLERS)
def test_many_slices_commit_every_row_once(effects: Worker, handler: Any) -> None:
    whats = ["fail" if number % 37 == 5 else "fine" for number in range(250)]
    rows = effects.process(handler, payloads(*whats), batch_size=60)
    assert [row.status for row in rows] == ["failed" if what == "fail" else "completed" for what in whats]
    assert effects_match(effects)


@pytest.mark.parametrize("handler", HANDLERS)
def test_the_rows_of_a_record_that_somebody_else_owns_now_never_commit(effects: Worker, handler: Any) -> None:
    """In the middle of the slice, another connection takes the record from the run."""

    def steal(payload: dict[str, Any], record_id: int) -> None:
        if payload["what"] == "stolen" and not stolen:
            stolen.append(record_id)
            effects.query(
                "UPDATE processing_queue SET status = 'pending', claimed_at = NULL, flow_instance_id = NULL, "
                "scheduled_at = now() + interval '1 hour' WHERE id = %(id)s", id=record_id
            )  # fmt: skip

    stolen: list[int] = []

    def plain(payload: dict[str, Any], connection: Connection, context: FlowContext) -> None:
        handler(payload, connection, context)
        steal(payload, context.record_id)

    async def asynchronous(
        payload: dict[str, Any], connection: AsyncConnection, context: FlowContext
    ) -> None:
        await handler(payload, connection, context)
        await asyncio.to_thread(steal, payload, context.record_id)

    chosen = asynchronous if asyncio.iscoroutinefunction(handler) else plain
    chosen.__annotations__["connection"] = list(handler.__annotations__.values())[1]
    rows = effects.process(chosen, payloads("a", "stolen", "b"), name="stealing")
    assert [row.status for row in rows] == ["completed", "pending", "completed"]
    assert effects_match(effects)


def misuse(how: str, connection: Any) -> None:
    match how:
        case "commit":
            connection.commit()
        case "rollback":
            connection.rollback()
        case "close":
            connection.close()
        case "hide":
            try:
                connection.exec_driver_sql("SELECT 1 / 0")
            except Exception:  # noqa: BLE001
                return


@pytest.mark.parametrize("how", ["commit", "rollback", "close", "hide"])
def test_who_ends_the_transaction_fails_alone(effects: Worker, how: str) -> None:
    def careless(payload: dict[str, Any], connection: Connection, context: FlowContext) -> None:
        connection.exec_driver_sql(INSERT, row(payload, context))
        if payload["what"] == "misuse":
            misuse(how, connection)

    rows = effects.process(careless, payloads("a", "misuse", "b"), max_retries=0)
    assert [row.status for row in rows] == ["completed", "failed", "completed"]
    assert effects_match(effects)


@pytest.mark.parametrize("how", ["commit", "rollback", "close"])
def test_who_ends_the_drivers_transaction_fails_alone(effects: Worker, how: str) -> None:
    def careless(
        payload: dict[str, Any], connection: "psycopg.Connection[Any]", context: FlowContext
    ) -> None:
        connection.execute(INSERT, row(payload, context))
        if payload["what"] == "misuse":
            misuse(how, connection)

    rows = effects.process(careless, payloads("a", "misuse", "b"), max_retries=0)
    assert [row.status for row in rows] == ["completed", "failed", "completed"]
    assert effects_match(effects)


@pytest.mark.parametrize("how", ["commit", "rollback", "close"])
def test_who_ends_the_asynchronous_transaction_fails_alone(effects: Worker, how: str) -> None:
    async def careless(payload: dict[str, Any], connection: AsyncConnection, context: FlowContext) -> None:
        await connection.exec_driver_sql(INSERT, row(payload, context))
        if payload["what"] == "misuse":
            await getattr(connection, how)()

    rows = effects.process(careless, payloads("a", "misuse", "b"), max_retries=0)
    assert [row.status for row in rows] == ["completed", "failed", "completed"]
    assert effects_match(effects)


def test_an_unknown_flow_in_sql_is_told_as_such(effects: Worker) -> None:
    """`enqueue_record` and a refused COMMIT raise errors with the same SQLSTATE."""

    def follow_up(payload: dict[str, Any], connection: Connection) -> None:
        if payload["what"] == "unknown":
            connection.exec_driver_sql(f"SELECT {queue_schema()}.enqueue_record('nobody', '{{}}')")

    rows = effects.process(follow_up, payloads("a", "unknown", "b"), max_retries=0)
    assert [row.status for row in rows] == ["completed", "failed", "completed"]
    assert "no flow 'nobody' is registered" in rows[1].error_message


def test_a_handler_may_use_savepoints_of_its_own(effects: Worker) -> None:
    def careful(payload: dict[str, Any], session: Session, context: FlowContext) -> None:
        try:
            with session.begin_nested():
                session.execute(text("INSERT INTO effects VALUES (0, 'refused')"))
        except Exception:  # noqa: BLE001
            session.execute(text(f"INSERT INTO effects VALUES ({context.record_id}, 'second choice')"))  # noqa: S608

    rows = effects.process(careful, payloads("a", "b"))
    assert [row.status for row in rows] == ["completed", "completed"]
    assert effects_match(effects)


def test_a_handler_that_writes_nothing_is_fine(effects: Worker) -> None:
    def idle(payload: dict[str, Any], connection: Connection) -> None:
        """Does nothing."""

    assert [row.status for row in effects.process(idle, payloads("a", "b"))] == ["completed"] * 2


def test_a_deadlock_with_somebody_else_charges_nobody(effects: Worker) -> None:
    effects.query("INSERT INTO effects VALUES (-1, 'x'), (-2, 'x')")
    rival = psycopg.connect(
        effects.services.database.settings.url.set(drivername="postgresql").render_as_string(False)
    )
    tried: list[int] = []
    waiting: list[Future[None]] = []

    def update_and_commit() -> None:
        rival.execute("UPDATE effects SET what = 'z' WHERE record_id = -1")
        rival.commit()

    def deadlock(payload: dict[str, Any], connection: Connection, context: FlowContext) -> None:
        connection.exec_driver_sql("UPDATE effects SET what = 'y' WHERE record_id = -1")
        if not tried:
            tried.append(1)
            rival.execute("SET deadlock_timeout = '60s'")
            rival.execute("UPDATE effects SET what = 'z' WHERE record_id = -2")
            waiting.append(in_background(update_and_commit))
            wait_until_blocked(effects.services.database)
        connection.exec_driver_sql("UPDATE effects SET what = 'y' WHERE record_id = -2")
        connection.exec_driver_sql(INSERT, row(payload, context))

    rows = effects.process(deadlock, payloads("a", "b"), max_retries=0)
    waiting[0].result(30)
    rival.close()
    assert [(row.status, row.retry_count) for row in rows] == [("completed", 0)] * 2
    assert tried == [1]


@pytest.mark.parametrize("handler", [with_connection, with_async_connection])
def test_a_connection_that_breaks_charges_nobody(effects: Worker, handler: Any) -> None:
    """The run ends, and rescue gives its records back."""
    killed: list[int] = []

    def kill_once(record_id: int) -> None:
        if not killed:
            killed.append(record_id)
            effects.query(END_SESSIONS)

    def plain(payload: dict[str, Any], connection: Connection, context: FlowContext) -> None:
        kill_once(context.record_id)
        with_connection(payload, connection, context)

    async def asynchronous(
        payload: dict[str, Any], connection: AsyncConnection, context: FlowContext
    ) -> None:
        await asyncio.to_thread(kill_once, context.record_id)
        await with_async_connection(payload, connection, context)

    flow = effects.declare(
        plain if handler is with_connection else asynchronous, name="broken", max_retries=0
    )
    ids = effects.enqueue("broken", payloads("a", "b", "c"))
    effects.run(flow)
    assert {row.status for row in effects.rows(ids)} == {"processing"}
    effects.services.rescue.sweep()
    effects.run(flow)
    assert [(row.status, row.retry_count) for row in effects.rows(ids)] == [("completed", 0)] * 3
    assert effects_match(effects)


def test_sessions_that_the_server_ended_strike_nobody(effects: Worker) -> None:
    """The sessions end four times in a row, as if the server restarted each time."""

    def ended(payload: dict[str, Any], connection: Connection, context: FlowContext) -> None:
        effects.query(END_SESSIONS)
        with_connection(payload, connection, context)

    flow = effects.declare(ended, name="ended", max_retries=0)
    ids = effects.enqueue("ended", payloads("a"))
    for _ in range(4):
        effects.run(flow)
        effects.services.rescue.sweep()
    assert [(row.status, row.crash_strikes, row.batch_limit) for row in effects.rows(ids)] == [
        ("pending", 0, None)
    ]


@pytest.mark.parametrize(("server", "strikes"), [("another", 0), ("the same", 1)])
def test_a_broken_connection_strikes_only_where_the_server_is_the_same(
    effects: Worker, server: str, strikes: int
) -> None:
    def closes(payload: dict[str, Any], connection: "psycopg.Connection[Any]") -> None:
        connection.close()
        connection.execute("SELECT 1")

    with effects.services.database.transaction() as cursor:
        identity = server_identity(cursor)
    effects.services.server_identity = identity if server == "the same" else "as it was before"
    flow = effects.declare(closes, name="closes", max_retries=0)
    ids = effects.enqueue("closes", payloads("a"))
    effects.run(flow)
    effects.services.rescue.sweep()
    assert [row.crash_strikes for row in effects.rows(ids)] == [strikes]


def test_savepoints_are_only_used_where_records_fail(
    effects: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[bool] = []
    commit = one_commit.OneCommit.commit

    def spy(self: Any, records: Any, *, with_savepoints: bool) -> Any:
        used.append(with_savepoints)
        return commit(self, records, with_savepoints=with_savepoints)

    monkeypatch.setattr(one_commit.OneCommit, "commit", spy)
    whats = ["fine"] * 20 + ["fail"] + ["fine"] * 19
    effects.process(with_connection, payloads(*whats), batch_size=10)
    assert used == [False, False, False, True, False]
    used.clear()
    whats = (["fine"] * 9 + ["fail"]) * 4 + ["fine"] * 20
    effects.process(with_connection, payloads(*whats), batch_size=10)
    assert used == [False, True, False, True, True, True, True, False]


@pytest.mark.parametrize("handler", PLAIN[:1])
def test_a_retried_record_writes_its_rows_once(effects: Worker, handler: Any) -> None:
    def second_time(payload: dict[str, Any], connection: Connection, context: FlowContext) -> None:
        handler(payload, connection, context)
        if context.attempt_number == 1:
            raise ValueError

    rows = effects.process(second_time, payloads("a", "b"), backoff=Backoff.fixed(0))
    assert [(row.status, row.retry_count) for row in rows] == [("completed", 1)] * 2
    assert effects_match(effects)

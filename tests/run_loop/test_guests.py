"""A handler may change or break its context, session, transaction or process. Other records are not affected."""

import asyncio
import contextvars
import locale
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import Connection

from tasks import PERMANENT, Backoff, FlowContext, PermanentError, SnoozeRecord
from tests.support.flow_runs import Worker
from tests.workers.processes import wait_until

PID = "SELECT pg_backend_pid()"
TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("TENANT", default="nobody")
INSERT = (
    "INSERT INTO effects SELECT %(id)s, current_setting('app.tenant', true), current_setting('search_path')"
)


@pytest.fixture
def effects(worker: Worker) -> Iterator[Worker]:
    worker.query("CREATE TABLE effects (record_id bigint, tenant text, path text)")
    yield worker
    worker.query("DROP TABLE effects")


def doing(statements: list[str]) -> Any:
    def handler(payload: Any, connection: "psycopg.Connection[Any]", context: FlowContext) -> None:
        connection.execute(INSERT, {"id": context.record_id})
        for statement in statements if payload else []:
            connection.execute(statement.encode())

    return handler


def doing_async(statements: list[str]) -> Any:
    async def handler(payload: Any, connection: "psycopg.AsyncConnection[Any]", context: FlowContext) -> None:
        await connection.execute(INSERT, {"id": context.record_id})
        for statement in statements if payload else []:
            await connection.execute(statement.encode())

    return handler


def slow_inserts(worker: Worker, when: str) -> None:
    """Makes each insert of an effect take longer than the statement timeout that one record sets. `when`: the text
    between CREATE and FOR EACH ROW."""
    worker.query(
        "CREATE OR REPLACE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM pg_sleep(0.15); RETURN NEW; END$$"
    )
    worker.query(f"CREATE {when} FOR EACH ROW EXECUTE FUNCTION sleep()")


def effects_of(worker: Worker, ids: list[int]) -> list[int]:
    rows = worker.query("SELECT record_id FROM effects WHERE record_id = ANY(%(ids)s) ORDER BY 1", ids=ids)
    return [row.record_id for row in rows]


@pytest.mark.parametrize("make", [doing, doing_async])
@pytest.mark.parametrize(
    "statements",
    [
        ["COMMIT"],
        ["ROLLBACK"],
        ["COMMIT AND CHAIN"],
        ["ROLLBACK AND CHAIN"],
        ["ROLLBACK", "SELECT 1"],
        ["RELEASE SAVEPOINT processing_queue_record"],
    ],
    ids=" ".join,
)
def test_who_ends_the_transaction_fails_alone(effects: Worker, make: Any, statements: list[str]) -> None:
    rows = effects.process(make(statements), [0, 0, 1, 0], name="ends", max_retries=0)
    assert [(row.status, row.retry_count) for row in rows] == [
        ("completed", 0), ("completed", 0), ("failed", 1), ("completed", 0),
    ]  # fmt: skip
    assert "must not commit, roll back" in rows[2].error_message
    assert effects_of(effects, [row.id for row in rows]) == [rows[i].id for i in (0, 1, 3)]


@pytest.mark.parametrize("make", [doing, doing_async])
def test_set_constraints_is_no_commit(effects: Worker, make: Any) -> None:
    rows = effects.process(make(["SET CONSTRAINTS ALL IMMEDIATE"]), [0, 1, 0], name="constraints")
    assert [row.status for row in rows] == ["completed"] * 3


@pytest.mark.parametrize("make", [doing, doing_async])
@pytest.mark.parametrize(
    "statement",
    [
        "SET search_path = pg_temp",
        "SET ROLE pg_monitor",
        "SET SESSION AUTHORIZATION pg_monitor",
        "SET statement_timeout = '100ms'",
        "SET session_replication_role = replica",
        "SET DateStyle = German",
        "CREATE TEMPORARY TABLE processing_queue (id bigint)",
        "CREATE TEMPORARY TABLE open_slices (opened_at timestamptz)",
    ],
)
def test_our_statements_do_not_mind_its_settings(effects: Worker, make: Any, statement: str) -> None:
    """Settings that a handler changes affect neither our statements nor the next slice. For the test of
    `statement_timeout`, a slow trigger runs at the end of each slice."""
    if "timeout" in statement:
        slow_inserts(effects, "CONSTRAINT TRIGGER slow AFTER INSERT ON effects DEFERRABLE INITIALLY DEFERRED")
    flow = effects.declare(make([statement]), name="sets", batch_size=2, max_retries=0)
    ids = effects.enqueue("sets", [0, 1, 0, 0])
    effects.run(flow)
    assert [(row.status, row.retry_count) for row in effects.rows(ids)] == [("completed", 0)] * 4
    paths = effects.query("SELECT DISTINCT path FROM effects")
    assert [row.path for row in paths] == [effects.query("SHOW search_path")[0].search_path]


@pytest.mark.parametrize("make", [doing, doing_async])
def test_a_named_setting_is_put_back_before_each_record(effects: Worker, make: Any) -> None:
    flow = effects.declare(
        make(["SET LOCAL app.tenant = 'somebody'"]), name="tenants", session_settings=("app.tenant",)
    )
    ids = effects.enqueue("tenants", [0, 1, 0])
    effects.run(flow)
    assert {row.status for row in effects.rows(ids)} == {"completed"}
    assert {row.tenant or "" for row in effects.query("SELECT tenant FROM effects")} == {""}


@pytest.mark.parametrize("make", [doing, doing_async])
def test_nobody_is_charged_for_the_timeout_of_another_record(effects: Worker, make: Any) -> None:
    flow = effects.declare(make(["SET LOCAL statement_timeout = '100ms'"]), name="hurries", max_retries=0)
    slow_inserts(effects, "TRIGGER slow BEFORE INSERT ON effects")
    ids = effects.enqueue("hurries", [1, 0, 0])
    effects.run(flow)
    assert [(row.status, row.retry_count) for row in effects.rows(ids)] == [("completed", 0)] * 3


def test_nobody_is_charged_for_a_transaction_that_others_made_long(effects: Worker) -> None:
    [version] = effects.query("SELECT current_setting('server_version_num')::integer AS number")
    if version.number < 170_000:
        pytest.skip("transaction_timeout came with Postgres 17")

    def lasts(payload: Any, connection: "psycopg.Connection[Any]", context: FlowContext) -> None:
        connection.execute(INSERT, {"id": context.record_id})
        connection.execute("SET LOCAL transaction_timeout = '1s'" if payload else "SELECT pg_sleep(0.6)")

    rows = effects.process(lasts, [1, 0, 0], name="lasts", max_retries=0)
    assert [(row.status, row.retry_count) for row in rows] == [("completed", 0)] * 3
    assert effects_of(effects, [row.id for row in rows]) == [row.id for row in rows]


async def returns(connection: "psycopg.AsyncConnection[Any]") -> None:
    """The handler ends without using the connection again."""


async def fails_in_a_group(connection: "psycopg.AsyncConnection[Any]") -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(connection.execute(PID))


async def causes_a_group(connection: "psycopg.AsyncConnection[Any]") -> None:
    try:
        await connection.execute(PID)
    except psycopg.Error as error:
        raise ExceptionGroup("of several", [ValueError("unclear")]) from error


@pytest.mark.parametrize("ends", [None, returns, fails_in_a_group, causes_a_group])
def test_an_idle_transaction_is_charged_to_its_record(effects: Worker, ends: Any) -> None:
    """The handler lowers the idle timeout of its transaction, so that the test need not wait for minutes."""

    def wait_until_ended(pid: int) -> None:
        alive = "SELECT pid FROM pg_stat_activity WHERE pid = %(pid)s"
        wait_until(lambda: not effects.query(alive, pid=pid), "the end of the session")

    def plain(payload: Any, connection: "psycopg.Connection[Any]", context: FlowContext) -> None:
        connection.execute(INSERT, {"id": context.record_id})
        if payload:
            [[pid]] = connection.execute(PID).fetchall()
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
            wait_until_ended(pid)

    async def asynchronous(
        payload: Any, connection: "psycopg.AsyncConnection[Any]", context: FlowContext
    ) -> None:
        await connection.execute(INSERT, {"id": context.record_id})
        if payload:
            [[pid]] = await (await connection.execute(PID)).fetchall()
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
            await asyncio.to_thread(wait_until_ended, pid)
            await ends(connection)

    rows = effects.process(asynchronous if ends else plain, [0, 1, 0], name="silent", max_retries=0)
    assert [(row.status, row.retry_count, row.crash_strikes) for row in rows] == [
        ("completed", 0, 0), ("failed", 1, 0), ("completed", 0, 0),
    ]  # fmt: skip
    assert "idle_in_transaction_seconds" in rows[1].error_message
    assert effects_of(effects, [row.id for row in rows]) == [rows[0].id, rows[2].id]


@pytest.mark.parametrize("session_settings", [(), ("app.tenant",)])
def test_the_limit_of_an_idle_transaction_is_the_flows(
    effects: Worker, session_settings: tuple[str, ...]
) -> None:
    def asks(payload: Any, connection: "psycopg.Connection[Any]") -> str:
        row = connection.execute("SHOW idle_in_transaction_session_timeout").fetchone()
        return str(row and row[0])

    flow = effects.declare(
        asks, name="asks", idle_in_transaction_seconds=7.5, session_settings=session_settings
    )
    ids = effects.enqueue("asks", [1, 2, 3])
    effects.run(flow)
    assert [row.result for row in effects.rows(ids)] == ["7500ms"] * 3


def test_factories_of_its_connection_do_not_reach_others(effects: Worker) -> None:
    def own(payload: Any, connection: "psycopg.Connection[Any]") -> bool:
        before = connection.row_factory is dict_row
        connection.row_factory = dict_row
        connection.cursor_factory = psycopg.ClientCursor
        return before

    rows = effects.process(own, [1, 2], name="own")
    assert [(row.status, row.result) for row in rows] == [("completed", False)] * 2


def test_a_context_variable_of_one_record_is_not_seen_by_the_next(effects: Worker) -> None:
    def in_sql(payload: Any, connection: Connection) -> str:
        return sets(payload)

    async def asynchronous(payload: Any) -> str:
        return sets(payload)

    def sets(payload: Any) -> str:
        before = TENANT.get()
        TENANT.set("somebody")
        return before

    handlers: list[tuple[Any, dict[str, Any]]] = [
        (sets, {}), (sets, {"concurrency": 2}), (in_sql, {}), (asynchronous, {}), (asynchronous, {"concurrency": 2}),
    ]  # fmt: skip
    for number, (handler, options) in enumerate(handlers):
        rows = effects.process(handler, [1, 2, 3], name=f"sets_{number}", **options)
        assert [row.result for row in rows] == ["nobody"] * 3


@pytest.mark.parametrize(
    ("errors", "status", "retries", "message"),
    [
        ([PermanentError("no such customer")], "failed", 1, "no such customer"),
        ([SnoozeRecord(60), SnoozeRecord(3600)], "pending", 0, None),
        ([ValueError("a"), ValueError("b")], "pending", 1, "a; b"),
        ([KeyError("a"), ValueError("b")], "pending", 1, "everything (1 sub-exception): KeyError: 'a'; ValueError: b"),
        ([LookupError("mine")], "failed", 1, "mine"),
        ([LookupError("mine"), IndexError("yours")], "failed", 1, None),
        ([PermanentError("x"), IndexError("yours")], "failed", 1, None),
        ([KeyError("a"), IndexError("yours")], "pending", 1, None),
        ([PermanentError("x"), SnoozeRecord(1)], "pending", 1, None),
    ],
)  # fmt: skip
def test_a_group_means_what_its_leaves_mean(
    worker: Worker, errors: list[Exception], status: str, retries: int, message: str | None
) -> None:
    def groups(payload: Any) -> None:
        raise ExceptionGroup("everything", [ExceptionGroup("inner", errors)])

    [row] = worker.process(
        groups,
        [1],
        name="groups",
        max_retries=3,
        retry_on={LookupError: PERMANENT, KeyError: Backoff.fixed(1)},
    )
    assert (row.status, row.retry_count) == (status, retries)
    assert message is None or row.error_message == message


class InvalidError(ExceptionGroup[Exception]):
    pass


def test_a_policy_for_the_class_of_a_group_comes_first(worker: Worker) -> None:
    def groups(payload: Any) -> None:
        raise InvalidError("everything", [KeyError("a"), ValueError("b")])

    [row] = worker.process(
        groups,
        [1],
        name="groups",
        max_retries=3,
        retry_on={InvalidError: PERMANENT, Exception: Backoff.fixed(1)},
    )
    assert (row.status, row.retry_count) == ("failed", 1)


def test_a_function_as_policy_gets_the_first_exception_of_a_group(worker: Worker) -> None:
    asked: list[BaseException] = []

    def policy(_: int, error: BaseException) -> float:
        asked.append(error)
        return 1

    def groups(payload: Any) -> None:
        raise ExceptionGroup("everything", [KeyError("first"), IndexError("second")])

    worker.process(groups, [1], name="groups", max_retries=3, retry_on={LookupError: policy})
    assert [repr(error) for error in asked] == ["KeyError('first')"]


def test_a_function_as_policy_runs_in_the_context_of_its_handler(worker: Worker) -> None:
    seen: list[str] = []

    def policy(_: int, error: BaseException) -> float:
        seen.append(TENANT.get())
        TENANT.set("set by the policy")
        return 1

    def fails(payload: str) -> None:
        TENANT.set(payload)
        raise LookupError(payload)

    worker.process(fails, ["a", "b"], name="fails", max_retries=3, retry_on={LookupError: policy})
    assert seen == ["a", "b"]
    assert TENANT.get() == "nobody"


def test_a_fork_that_comes_back_ends(effects: Worker) -> None:
    def forks(payload: Any, connection: "psycopg.Connection[Any]", context: FlowContext) -> int:
        connection.execute(INSERT, {"id": context.record_id})
        if (pid := os.fork()) == 0:
            raise SystemExit(0)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    rows = effects.process(forks, [1, 2], name="forks")
    assert [(row.status, row.result) for row in rows] == [("completed", 70)] * 2
    assert effects_of(effects, [row.id for row in rows]) == [row.id for row in rows]


def test_an_async_fork_ends_where_it_would_wait(worker: Worker, tmp_path: Path) -> None:
    """In the forked child, asyncio finds no running loop, so waiting raises an exception."""
    calls = tmp_path / "calls"

    async def forks(payload: int) -> int:
        if payload:
            await asyncio.sleep(0.02)
            with calls.open("a") as file:
                file.write(f"{payload}\n")
            return 0
        await asyncio.sleep(0.001)  # the other two handlers begin to wait in this time
        if (pid := os.fork()) == 0:
            await asyncio.sleep(0.3)
            os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])  # noqa: ASYNC222

    rows = worker.process(forks, range(10), name="forks", concurrency=3)
    assert [row.result for row in rows] == [70] + [0] * 9
    assert sorted(map(int, calls.read_text().split())) == list(range(1, 10))


def state_of_the_process() -> dict[str, Any]:
    umask = os.umask(0o077)
    os.umask(umask)
    return {
        "directory": Path.cwd(),
        "umask": umask,
        "signal": signal.getsignal(signal.SIGTERM),
        "mask": signal.pthread_sigmask(signal.SIG_BLOCK, []),
        "recursion limit": sys.getrecursionlimit(),
        "locale": locale.setlocale(locale.LC_ALL),
        "socket timeout": socket.getdefaulttimeout(),
        "logging": logging.root.manager.disable,
    }


def test_the_process_is_put_back_after_a_batch(worker: Worker) -> None:
    before = state_of_the_process()

    def changes(payload: Any) -> None:
        os.chdir("/")
        os.umask(0o777)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        sys.setrecursionlimit(5_000)
        locale.setlocale(locale.LC_ALL, "C.UTF-8")
        socket.setdefaulttimeout(0.001)
        logging.disable(logging.CRITICAL)
        assert set(changed := state_of_the_process()) == {
            name for name in changed if changed[name] != before[name]
        }

    [row] = worker.process(changes, [1], name="changes")
    assert row.status == "completed"
    assert state_of_the_process() == before


def test_no_event_loop_is_left_to_the_next_batch(worker: Worker) -> None:
    left: list[asyncio.AbstractEventLoop] = []

    def leaves(payload: Any) -> None:
        left.append(asyncio.new_event_loop())
        asyncio.set_event_loop(left[0])

    worker.process(leaves, [1], name="leaves")
    with pytest.raises(RuntimeError):
        asyncio.get_event_loop()
    left[0].close()


@pytest.mark.parametrize("action", [signal.SIG_DFL, signal.SIG_IGN])
def test_a_time_limit_rings_although_a_library_took_its_signal(worker: Worker, action: Any) -> None:
    def waits(payload: int) -> None:
        if payload == 0:
            signal.signal(signal.SIGALRM, action)
        else:
            time.sleep(5)

    rows = worker.process(waits, [0, 1], name="waits", time_limit_seconds=1.0, max_retries=0)
    assert [row.status for row in rows] == ["completed", "failed"]


def test_an_async_handler_that_cancels_all_tasks_fails_alone(worker: Worker) -> None:
    async def cancels(payload: int) -> None:
        if payload == 0:
            for task in asyncio.all_tasks():
                task.cancel()
        await asyncio.sleep(0.01)

    rows = worker.process(cancels, range(20), name="cancels", concurrency=2, max_retries=0)
    statuses = [row.status for row in rows]
    assert statuses.count("failed") <= 2  # this handler, and the handler that ran at the same time
    assert statuses.count("completed") >= 18

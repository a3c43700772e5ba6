"""One handler of a slice ends the transaction and begins another one, and a later handler of the same slice commits.
Even then, the rows of all other records are committed once, together with their outcomes."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from tasks import FlowContext, PermanentError
from tasks.run_loop import one_commit
from tests.support.flow_runs import Worker

INSERT = "INSERT INTO effects VALUES (%s)"
STATEMENTS = {
    "another mark": ["SET LOCAL default_transaction_read_only = off"],
    "reset all": ["RESET ALL"],
    "reset all, another role": ["RESET ALL", "SET LOCAL ROLE pg_monitor"],
    "rollback, begin": ["ROLLBACK", "BEGIN"],
    "rollback and chain": ["ROLLBACK AND CHAIN"],
    "rollback, begin, our savepoint": ["ROLLBACK", "BEGIN", "SAVEPOINT processing_queue_record"],
    "rollback, another role, commit": ["ROLLBACK", "SET ROLE pg_monitor", "COMMIT", "SELECT 1"],
    "commit": ["COMMIT"],
    "commit and chain": ["COMMIT AND CHAIN"],
}


@pytest.fixture(params=["express", "claimed", "with savepoints"])
def express(request: pytest.FixtureRequest, at_once: None, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the flow is express. If the flow is not express, its slices may begin with savepoints."""
    if request.param == "with savepoints":
        monkeypatch.setattr(one_commit, "FAILING_SLICES", 0)
    return request.param == "express"


@pytest.fixture
def effects(worker: Worker) -> Iterator[Worker]:
    """The table has no unique constraint, so that the tests notice a doubled effect."""
    worker.query("CREATE TABLE effects (record_id bigint)")
    yield worker
    worker.query("DROP TABLE effects")


def judge(payload: str) -> None:
    if payload.endswith("raise"):
        raise PermanentError("after its misuse")


def plain(payload: str, connection: "psycopg.Connection[Any]", context: FlowContext) -> None:
    connection.execute(INSERT, (context.record_id,))
    for statement in STATEMENTS.get(payload.removesuffix(", raise"), []):
        connection.execute(statement.encode())
    judge(payload)


def with_sqlalchemy(payload: str, connection: Connection, context: FlowContext) -> None:
    connection.exec_driver_sql(INSERT, (context.record_id,))
    for statement in STATEMENTS.get(payload.removesuffix(", raise"), []):
        connection.exec_driver_sql(statement)
    judge(payload)


async def asynchronous_with_sqlalchemy(
    payload: str, connection: AsyncConnection, context: FlowContext
) -> None:
    await connection.exec_driver_sql(INSERT, (context.record_id,))
    for statement in STATEMENTS.get(payload.removesuffix(", raise"), []):
        await connection.exec_driver_sql(statement)
    judge(payload)


async def asynchronous(
    payload: str, connection: "psycopg.AsyncConnection[Any]", context: FlowContext
) -> None:
    await connection.execute(INSERT, (context.record_id,))
    for statement in STATEMENTS.get(payload.removesuffix(", raise"), []):
        await connection.execute(statement.encode())
    judge(payload)


HANDLERS = [plain, with_sqlalchemy, asynchronous, asynchronous_with_sqlalchemy]
# In each test, the run first claims this batch. Before its first claim, the run cannot be express.
CLAIMED = [""] * 20


def process(worker: Worker, handler: Callable[..., Any], payloads: list[str], *, express: bool) -> list[Any]:
    flow = worker.declare(handler, name="sample", batch_size=len(CLAIMED), express=express, max_retries=0)
    worker.enqueue("sample", CLAIMED)
    ids = worker.enqueue("sample", payloads)
    worker.run(flow)
    return worker.rows(ids)


def effects_of(worker: Worker, rows: list[Any]) -> list[int]:
    found = worker.query("SELECT record_id FROM effects ORDER BY record_id")
    ids = {row.id for row in rows}
    return [row.record_id for row in found if row.record_id in ids]


@pytest.mark.parametrize("change", ["another mark", "reset all", "reset all, another role"])
@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_may_change_the_mark_of_the_transaction(
    effects: Worker, handler: Callable[..., Any], change: str, express: bool
) -> None:
    """`open_slice` marks the transaction with the setting `default_transaction_read_only`."""
    rows = process(effects, handler, ["", change, "", ""], express=express)
    assert {(row.status, row.retry_count) for row in rows} == {("completed", 0)}
    assert effects_of(effects, rows) == [row.id for row in rows]


@pytest.mark.parametrize("ends", ["commit", "commit and chain"])
@pytest.mark.parametrize(
    "begins", ["rollback, begin", "rollback and chain", "rollback, begin, our savepoint"]
)
@pytest.mark.parametrize("handler", HANDLERS)
def test_the_rows_between_them_are_committed_once(
    effects: Worker, handler: Callable[..., Any], begins: str, ends: str, express: bool
) -> None:
    payloads = ["", "", begins, "", "", ends, "", ""]
    rows = process(effects, handler, payloads, express=express)
    assert [row.status for row in rows] == ["failed" if payload else "completed" for payload in payloads]
    assert effects_of(effects, rows) == [row.id for row in rows if not row.payload]


@pytest.mark.parametrize("handler", HANDLERS)
def test_after_reset_all_a_commit_is_still_refused(
    effects: Worker, handler: Callable[..., Any], express: bool
) -> None:
    rows = process(effects, handler, ["", "reset all", "", "commit", ""], express=express)
    assert [row.status for row in rows] == ["completed"] * 3 + ["failed", "completed"]
    assert effects_of(effects, rows) == [row.id for row in rows if row.payload != "commit"]


RAISES = "rollback, begin, our savepoint"


@pytest.mark.parametrize("payload", [RAISES, "rollback, another role, commit"])
@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_that_raises_after_that_fails_alone(
    effects: Worker, handler: Callable[..., Any], payload: str, express: bool
) -> None:
    """Even if the handler ended the transaction or changed the session before it raised, only its own record is
    charged, and no effect is written twice."""
    rows = process(effects, handler, ["", "", f"{payload}, raise", "", ""], express=express)
    assert [row.status for row in rows] == ["completed"] * 2 + ["failed"] + ["completed"] * 2
    assert effects.query("SELECT record_id FROM record_attempts") == [(rows[2].id,)]
    assert effects_of(effects, rows) == [row.id for row in rows if not row.payload]


def batch(records: list[FlowContext], connection: "psycopg.Connection[Any]") -> None:
    for record in records:
        plain(record.payload, connection, record)


@pytest.mark.parametrize("raises", ["", ", raise"])
def test_a_batch_handler_that_did_that_is_charged_for_the_culprit(effects: Worker, raises: str) -> None:
    flow = effects.declare(batch, name="sample", batch=True, batch_size=4, express=False, max_retries=0)
    ids = effects.enqueue("sample", ["", f"rollback, another role, commit{raises}", "", "", "", ""])
    effects.run(flow)
    rows = effects.rows(ids)
    assert [row.status for row in rows][4:] == ["completed"] * 2
    assert rows[1].status == "failed"
    assert effects_of(effects, rows) == [row.id for row in rows if row.status == "completed"]


@pytest.mark.parametrize("handler", HANDLERS)
def test_only_the_handler_that_began_another_transaction_is_charged(
    effects: Worker, handler: Callable[..., Any]
) -> None:
    """The handler changes a setting of the session, and commits the change."""
    rows = process(effects, handler, ["", "", "rollback, another role, commit", "", ""], express=False)
    assert [row.status for row in rows] == ["completed"] * 2 + ["failed"] + ["completed"] * 2
    assert effects.query("SELECT record_id FROM record_attempts") == [(rows[2].id,)]
    assert effects_of(effects, rows) == [row.id for row in rows if not row.payload]

"""One handler of a slice ends the transaction and begins another one, and a later handler of the same slice commits.
Even then, the rows of all other records are committed once, together with their outcomes."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tasks import FlowContext
from tests.support.flow_runs import Worker

INSERT = "INSERT INTO effects VALUES (%s)"
STATEMENTS = {
    "another mark": ["SET LOCAL default_transaction_read_only = off"],
    "reset all": ["RESET ALL"],
    "rollback, begin": ["ROLLBACK", "BEGIN"],
    "rollback and chain": ["ROLLBACK AND CHAIN"],
    "commit": ["COMMIT"],
    "commit and chain": ["COMMIT AND CHAIN"],
}


@pytest.fixture
def effects(worker: Worker) -> Iterator[Worker]:
    """The table has no unique constraint, so that the tests notice a doubled effect."""
    worker.query("CREATE TABLE effects (record_id bigint)")
    yield worker
    worker.query("DROP TABLE effects")


def plain(payload: str, connection: "psycopg.Connection[Any]", context: FlowContext) -> None:
    connection.execute(INSERT, (context.record_id,))
    for statement in STATEMENTS.get(payload, []):
        connection.execute(statement.encode())


async def asynchronous(
    payload: str, connection: "psycopg.AsyncConnection[Any]", context: FlowContext
) -> None:
    await connection.execute(INSERT, (context.record_id,))
    for statement in STATEMENTS.get(payload, []):
        await connection.execute(statement.encode())


@pytest.mark.parametrize("express", [True, False])
@pytest.mark.parametrize("change", ["another mark", "reset all"])
@pytest.mark.parametrize("handler", [plain, asynchronous])
def test_a_handler_may_change_the_mark_of_the_transaction(
    effects: Worker, handler: Callable[..., Any], change: str, express: bool
) -> None:
    """`open_slice` marks the transaction with the setting `default_transaction_read_only`."""
    flow = effects.declare(handler, name="sample", batch_size=20, express=express, max_retries=0)
    ids = effects.enqueue("sample", ["", change, "", ""])
    counts = effects.run(flow)
    assert [row.status for row in effects.rows(ids)] == ["completed"] * 4
    assert [row.record_id for row in effects.query("SELECT record_id FROM effects ORDER BY 1")] == ids
    assert counts.records_retried == 0


@pytest.mark.parametrize("express", [True, False])
@pytest.mark.parametrize("ends", ["commit", "commit and chain"])
@pytest.mark.parametrize("begins", ["rollback, begin", "rollback and chain"])
@pytest.mark.parametrize("handler", [plain, asynchronous])
def test_the_rows_between_them_are_committed_once(
    effects: Worker, handler: Callable[..., Any], begins: str, ends: str, express: bool
) -> None:
    flow = effects.declare(handler, name="sample", batch_size=20, express=express, max_retries=0)
    payloads = ["", "", begins, "", "", ends, "", ""]
    ids = effects.enqueue("sample", payloads)
    effects.run(flow)
    expected = ["failed" if payload else "completed" for payload in payloads]
    assert [row.status for row in effects.rows(ids)] == expected
    rows = effects.query("SELECT record_id FROM effects ORDER BY record_id")
    assert [row.record_id for row in rows] == [
        record_id for record_id, payload in zip(ids, payloads, strict=True) if not payload
    ]

"""If a deferred constraint refuses the rows of one record, only that record fails. Postgres checks such a
constraint only at the end of the slice."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from queue_store.records.record import Written
from tasks import FlowContext
from tasks.run_loop.one_commit import OneCommit
from tests.support.flow_runs import Worker

INSERT_CHILD = "INSERT INTO children (record_id, parent_id) VALUES (%(record_id)s, %(parent_id)s)"
INSERT_PARENT = "INSERT INTO parents VALUES (%(parent_id)s)"
ORPHAN = -1


@pytest.fixture
def families(worker: Worker) -> Iterator[Worker]:
    """The foreign key is deferred, like those that Django declares. The handlers insert each parent after its child,
    but no parent for ORPHAN."""
    worker.query("CREATE TABLE parents (id bigint PRIMARY KEY)")
    worker.query(
        "CREATE TABLE children (record_id bigint, parent_id bigint"
        " CONSTRAINT has_parent REFERENCES parents DEFERRABLE INITIALLY DEFERRED)"
    )
    yield worker
    worker.query("DROP TABLE children, parents")


def adopt(payload: int, connection: Connection, context: FlowContext) -> None:
    row = {"record_id": context.record_id, "parent_id": payload}
    connection.exec_driver_sql(INSERT_CHILD, row)
    if payload != ORPHAN:
        connection.exec_driver_sql(INSERT_PARENT, row)


async def adopt_async(payload: int, connection: AsyncConnection, context: FlowContext) -> None:
    row = {"record_id": context.record_id, "parent_id": payload}
    await connection.exec_driver_sql(INSERT_CHILD, row)
    if payload != ORPHAN:
        await connection.exec_driver_sql(INSERT_PARENT, row)


def adopt_batch(contexts: list[FlowContext], connection: Connection) -> None:
    for context in contexts:
        adopt(context.payload, connection, context)


HANDLERS: list[tuple[Any, dict[str, Any]]] = [(adopt, {}), (adopt_async, {}), (adopt_batch, {"batch": True})]


def children(worker: Worker) -> list[int]:
    return [row.record_id for row in worker.query("SELECT record_id FROM children ORDER BY 1")]


def ended_with(worker: Worker) -> list[str | None]:
    return [row.error_message for row in worker.query("SELECT error_message FROM flow_execution_logs")]


@pytest.mark.parametrize(("handler", "options"), HANDLERS)
def test_only_the_record_whose_rows_are_refused_is_charged(
    families: Worker, handler: Any, options: dict[str, Any]
) -> None:
    rows = families.process(handler, [1, 2, ORPHAN, 3, 4], max_retries=0, **options)
    assert [row.status for row in rows] == ["completed", "completed", "failed", "completed", "completed"]
    assert [row.retry_count for row in rows] == [0, 0, 1, 0, 0]
    assert "has_parent" in rows[2].error_message
    assert children(families) == [row.id for row in rows if row.status == "completed"]
    assert ended_with(families) == [None]


@pytest.mark.parametrize(("handler", "options"), HANDLERS)
def test_every_record_may_be_refused(families: Worker, handler: Any, options: dict[str, Any]) -> None:
    rows = families.process(handler, [ORPHAN] * 3, max_retries=0, **options)
    assert [row.status for row in rows] == ["failed"] * 3
    assert children(families) == []


def test_a_refusal_is_found_beside_records_that_need_savepoints(families: Worker) -> None:
    def fail_or_adopt(payload: int, connection: Connection, context: FlowContext) -> None:
        adopt(payload, connection, context)
        if payload == 2:
            raise ValueError("wrote first, failed then")

    rows = families.process(fail_or_adopt, [1, 2, ORPHAN, 3], max_retries=0)
    assert [row.status for row in rows] == ["completed", "failed", "failed", "completed"]
    assert children(families) == [rows[0].id, rows[3].id]


def test_the_records_after_a_refused_slice_share_their_commit_again(
    families: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices: list[int] = []
    check_fence = OneCommit.check_fence

    def spy(self: OneCommit, written: Written) -> None:
        slices.append(len(written.completed_ids))
        check_fence(self, written)

    monkeypatch.setattr(OneCommit, "check_fence", spy)
    families.process(adopt, [1, ORPHAN, *range(2, 20)], batch_size=5, max_retries=0)
    assert slices == [5, 1, 1, 1, 1, 1, 5, 5, 5]


def test_a_constraint_that_a_handler_defers_itself_is_checked_too(families: Worker) -> None:
    families.query("ALTER TABLE children ALTER CONSTRAINT has_parent DEFERRABLE INITIALLY IMMEDIATE")

    def defer(payload: int, connection: Connection, context: FlowContext) -> None:
        connection.exec_driver_sql("SET CONSTRAINTS has_parent DEFERRED")
        adopt(payload, connection, context)

    rows = families.process(defer, [1, ORPHAN, 2], max_retries=0)
    assert [row.status for row in rows] == ["completed", "failed", "completed"]


def test_a_run_that_is_interrupted_by_anything_says_by_what(
    families: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: Any) -> None:
        raise ZeroDivisionError("password=hunter2 in a driver's text")

    monkeypatch.setattr("tasks.run_loop.delivery.Delivery.flush_and_claim", break_down)
    with pytest.raises(ZeroDivisionError):
        families.process(adopt, [1])
    assert ended_with(families) == ["ZeroDivisionError: password=*** in a driver's text"]
    assert families.query("SELECT DISTINCT state FROM flow_execution_logs")[0].state == "ended"

"""A batch handler is called once for n records, and returns an outcome for each."""

import asyncio
import time
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from tasks import Backoff, FlowContext, PermanentError, SnoozeRecord
from tests.authoring.test_flow_context import ask_to_stop
from tests.support.flow_runs import Worker

OUTCOMES: dict[str, Any] = {
    "result": {"ok": 1},
    "nothing": None,
    "permanent": PermanentError("no"),
    "error": ValueError("once more"),
    "snooze": SnoozeRecord(60),
    "unstorable": {1, 2},
}
STATUSES = ["completed", "completed", "failed", "pending", "pending", "failed"]


def by_list(records: list[FlowContext]) -> list[Any]:
    return [OUTCOMES[record.payload] for record in records]


def by_id(records: list[FlowContext]) -> dict[int, Any]:
    return {record.record_id: OUTCOMES[record.payload] for record in reversed(records)}


async def by_list_async(records: list[FlowContext]) -> list[Any]:
    return by_list(records)


@pytest.mark.parametrize("handler", [by_list, by_id, by_list_async])
def test_each_record_gets_its_own_outcome(worker: Worker, handler: Any) -> None:
    rows = worker.process(handler, OUTCOMES, batch=True)
    assert [row.status for row in rows] == STATUSES
    assert rows[0].result == {"ok": 1}
    assert [row.retry_count for row in rows] == [0, 0, 1, 1, 0, 1]


def test_a_batch_is_one_call(worker: Worker) -> None:
    sizes: list[int] = []
    rows = worker.process(
        lambda records: sizes.append(len(records)), range(25), name="sizes", batch=True, batch_size=10
    )
    assert sizes == [10, 10, 5]
    assert {row.status for row in rows} == {"completed"}


@pytest.mark.parametrize(
    ("returned", "problem"),
    [
        ([1], "returned 1 outcomes for 2 records"),
        ({}, "returned no outcome for this record"),
        ({10**12: 1}, "it was not given"),
        ("no", "returns None, a list or a dictionary, not str"),
        (7, "not int"),
    ],
)
def test_a_wrong_return_fails_the_attempt_and_says_why(worker: Worker, returned: Any, problem: str) -> None:
    rows = worker.process(lambda records: returned, ["a", "b"], name="wrong", batch=True, max_retries=0)
    assert [row.status for row in rows] == ["failed", "failed"]
    assert all(problem in row.error_message for row in rows)


def test_what_the_handler_raises_is_the_failure_of_all(worker: Worker) -> None:
    def explode(records: list[FlowContext]) -> None:
        raise ConnectionError("away")

    rows = worker.process(explode, ["a", "b"], batch=True, backoff=Backoff.fixed(60))
    assert [(row.status, row.retry_count) for row in rows] == [("pending", 1)] * 2


@pytest.mark.parametrize("is_group", [False, True])
def test_a_call_given_up_for_a_cancelled_record_charges_no_other(worker: Worker, is_group: bool) -> None:
    sizes: list[int] = []

    def ask_once(records: list[FlowContext]) -> None:
        sizes.append(len(records))
        if len(sizes) == 1:
            ask_to_stop(worker, records[1].record_id)

    def plain(records: list[FlowContext]) -> None:
        ask_once(records)
        for record in records:
            record.raise_if_cancelled()

    async def in_a_group(records: list[FlowContext]) -> None:
        ask_once(records)
        async with asyncio.TaskGroup() as group:
            for record in records:
                group.create_task(stop_if_cancelled(record))

    rows = worker.process(in_a_group if is_group else plain, "abc", batch=True)
    assert [(row.status, row.retry_count) for row in rows] == [
        ("completed", 0),
        ("cancelled", 0),
        ("completed", 0),
    ]
    assert sizes == [3, 2]


async def stop_if_cancelled(record: FlowContext) -> None:
    record.raise_if_cancelled()


def test_a_payload_that_cannot_be_decoded_does_not_reach_the_handler(worker: Worker) -> None:
    seen: list[Any] = []
    flow = worker.declare(
        lambda records: seen.extend(record.payload for record in records),
        name="decode",
        batch=True,
        max_retries=0,
    )
    worker.enqueue("decode", [1, 2])
    worker.query("INSERT INTO processing_queue (flow_name, payload) VALUES ('decode', '[1e5000]')")
    worker.run(flow)
    assert seen == [1, 2]
    assert worker.statuses() == {"completed": 2, "failed": 1}


def test_the_time_limit_is_that_of_the_call(worker: Worker) -> None:
    def slow(records: list[FlowContext]) -> None:
        time.sleep(60)

    rows = worker.process(slow, ["a", "b"], batch=True, time_limit_seconds=0.1, max_retries=0)
    assert [row.status for row in rows] == ["failed", "failed"]


@pytest.fixture
def effects(worker: Worker) -> Any:
    worker.query("CREATE TABLE effects (record_id bigint)")
    yield worker
    worker.query("DROP TABLE effects")


def outcomes(records: list[FlowContext]) -> list[Any]:
    return [PermanentError("no") if record.payload == "fail" else None for record in records]


def rows_of(records: list[FlowContext]) -> list[tuple[int]]:
    return [(record.record_id,) for record in records]


def with_driver(records: list[FlowContext], connection: "psycopg.Connection[Any]") -> list[Any]:
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO effects VALUES (%s)", rows_of(records))
    return outcomes(records)


def with_connection(records: list[FlowContext], connection: Connection) -> list[Any]:
    connection.exec_driver_sql("INSERT INTO effects VALUES (%s)", rows_of(records))
    return outcomes(records)


async def with_async_connection(records: list[FlowContext], connection: AsyncConnection) -> list[Any]:
    await connection.exec_driver_sql("INSERT INTO effects VALUES (%s)", rows_of(records))
    return outcomes(records)


@pytest.mark.parametrize("handler", [with_driver, with_connection, with_async_connection])
def test_the_rows_of_a_batch_commit_with_its_statuses(effects: Worker, handler: Any) -> None:
    payloads = ["fail" if number % 9 == 4 else "fine" for number in range(30)]
    rows = effects.process(handler, payloads, batch=True, batch_size=12)
    assert [row.status for row in rows] == ["failed" if p == "fail" else "completed" for p in payloads]
    written = effects.query("SELECT record_id FROM effects ORDER BY 1")
    assert [row.record_id for row in written] == [row.id for row in rows if row.status == "completed"]

"""The flows of the benchmarks. The handlers do almost nothing, so that the benchmarks measure the system."""

import asyncio
import time
from typing import Any

import psycopg

from tasks import FlowContext, flow

INSERT_ROW = "INSERT INTO bench_rows (record_id, doubled) VALUES (%s, %s)"


@flow
def no_op(payload: dict[str, Any]) -> None:
    pass


@flow(express=False)
def no_op_claimed(payload: dict[str, Any]) -> None:
    pass


@flow
def waits(payload: dict[str, Any]) -> None:
    time.sleep(0.005)


def _waits(payload: dict[str, Any]) -> None:
    time.sleep(0.005)


async def _waits_async(payload: dict[str, Any]) -> None:
    await asyncio.sleep(0.005)


flow(name="waits_in_threads", concurrency=10)(_waits)
for _concurrency in (10, 25, 50):
    flow(name=f"waits_async_{_concurrency}", concurrency=_concurrency)(_waits_async)


@flow(batch=True, batch_size=1000)
def no_op_batch(records: list[FlowContext]) -> None:
    pass


@flow(batch=True, batch_size=1000, express=False)
def no_op_batch_claimed(records: list[FlowContext]) -> None:
    pass


@flow
def writes_row(payload: dict[str, Any], connection: psycopg.Connection[Any], context: FlowContext) -> None:
    connection.execute(INSERT_ROW, (context.record_id, payload["n"] * 2))


flow(name="writes_row_claimed", express=False)(writes_row)


def _one_of_many(payload: dict[str, Any]) -> None:
    pass


for _number in range(100):
    flow(name=f"no_op_{_number}")(_one_of_many)


@flow(max_retries=0)
def writes_row_or_fails(
    payload: dict[str, Any], connection: psycopg.Connection[Any], context: FlowContext
) -> None:
    connection.execute(INSERT_ROW, (context.record_id, payload["n"] * 2))
    if payload["n"] * 7919 % 1000 < payload["fails_of_1000"]:  # the failures are spread over the records
        raise ValueError("it fails after it wrote")

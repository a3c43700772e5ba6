"""Fifty flows: five of each of ten kinds. The kinds differ in their handlers and in their options."""

import asyncio
import time
from typing import Any

import psycopg
from celery.schedules import schedule
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from tasks import Backoff, FlowContext, PermanentError, SnoozeRecord, flow

FLOWS_OF_EACH_KIND = 5
FOLLOW_UP, RECURRING = -1, -2  # the `n` in the payloads of these records
TOO_SLOW, PATIENT = 7, 1
SOON = Backoff.fixed(0.05)
INSERT = "INSERT INTO effects_of_the_day (record_id) VALUES (%(record_id)s)"


def plain(payload: dict[str, Any]) -> int:
    return payload["n"]


async def asynchronous(payload: dict[str, Any], context: FlowContext) -> int:
    await asyncio.sleep(60 if payload["n"] % 50 == TOO_SLOW else 0.001)
    if payload["n"] % 20 == 0:
        assert await context.report_progress_async({"n": payload["n"]})
    return payload["n"]


def in_threads(payload: dict[str, Any], context: FlowContext) -> None:
    """For one record, waits up to 60 s until the record is cancelled. For all others, returns at once."""
    ends_at = time.monotonic() + 60
    while context.flow_name == "in_threads_0" and payload["n"] == PATIENT and time.monotonic() < ends_at:
        context.raise_if_cancelled()
        time.sleep(0.05)


def follow_up(context: FlowContext, result: Any) -> None:
    if context.payload["n"] % 10 == 0:
        context.enqueue("plain_0", {"n": FOLLOW_UP})


def one_commit(payload: dict[str, Any], connection: Connection, context: FlowContext) -> None:
    connection.exec_driver_sql(INSERT, {"record_id": context.record_id})
    if payload["n"] % 40 == 3:
        raise PermanentError("wrote first")


async def one_commit_async(
    payload: dict[str, Any], connection: AsyncConnection, context: FlowContext
) -> None:
    await connection.exec_driver_sql(INSERT, {"record_id": context.record_id})
    if payload["n"] % 40 == 3:
        raise PermanentError("wrote first")


def by_batch(records: list[FlowContext]) -> list[Any]:
    return [PermanentError("every fourth") if record.payload["n"] % 4 == 0 else None for record in records]


def by_batch_in_one_commit(records: list[FlowContext], connection: "psycopg.Connection[Any]") -> list[Any]:
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, [{"record_id": record.record_id} for record in records])
    return [PermanentError("wrote first") if record.payload["n"] % 40 == 3 else None for record in records]


def second_time(payload: dict[str, Any], context: FlowContext) -> None:
    if context.attempt_number == 1:
        raise ConnectionError("the first attempt fails")


def never(payload: dict[str, Any]) -> None:
    raise ValueError("fails each time")


def later(payload: dict[str, Any], context: FlowContext) -> None:
    if context.claim_number == 1:
        raise SnoozeRecord(0.1)


KINDS: dict[Any, dict[str, Any]] = {
    plain: {},
    asynchronous: {"concurrency": 10, "time_limit_seconds": 3, "max_retries": 0},
    in_threads: {"concurrency": 3, "after": follow_up},
    one_commit: {"failure_blocks_key": False, "batch_size": 50},
    one_commit_async: {},
    by_batch: {"batch": True, "batch_size": 30},
    by_batch_in_one_commit: {"batch": True},
    second_time: {"max_retries": 2, "backoff": SOON, "time_limit_seconds": 30},
    never: {"max_retries": 1, "backoff": SOON},
    later: {"max_runs": 2},
}


def recurring(handler: Any, number: int) -> dict[str, Any]:
    if (handler, number) != (plain, 4):
        return {}
    return {"schedule": schedule(2), "schedule_payload": {"n": RECURRING}}


for handler, options in KINDS.items():
    for number in range(FLOWS_OF_EACH_KIND):
        flow(name=f"{handler.__name__}_{number}", **options | recurring(handler, number))(handler)


def ends_as(kind: str, n: int) -> tuple[str, int]:
    """Returns the status and the retry_count with which a record ends if it is not cancelled."""
    if kind in ("one_commit", "one_commit_async", "by_batch_in_one_commit") and n % 40 == 3:
        return "failed", 1
    if kind == "asynchronous" and n % 50 == TOO_SLOW:
        return "failed", 1
    if kind == "by_batch" and n % 4 == 0:
        return "failed", 1
    return {"second_time": ("completed", 1), "never": ("failed", 2)}.get(kind, ("completed", 0))

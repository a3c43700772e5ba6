"""Flows that the worker tests run, in real worker processes."""

import asyncio
import ctypes
import os
import signal
import time
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection

from tasks import Backoff, FlowContext, flow

INSERT_EFFECT = "INSERT INTO effects (record_id, claim_number) VALUES (%(record_id)s, %(claim_number)s)"


@flow
def quick(payload: dict[str, Any]) -> None:
    """Does nothing."""


@flow
def sleepy(payload: dict[str, Any]) -> None:
    time.sleep(payload["seconds"])


@flow(concurrency=2)
async def sleepy_async(payload: dict[str, Any]) -> None:
    await asyncio.sleep(payload["seconds"])


@flow(max_retries=1, backoff=Backoff(first_seconds=0.1, jitter=0))
def failing(payload: dict[str, Any]) -> None:
    raise ValueError(f"record {payload['n']} is wrong")


_leaked: list[bytes] = []


@flow
def leaky(payload: dict[str, Any]) -> None:
    _leaked.append(bytes([payload["n"]]) * payload["megabytes"] * 2**20)
    time.sleep(0.05)


@flow
def deadly(payload: dict[str, Any]) -> None:
    """Kills its own process, as a segmentation fault or the OOM killer would, if the payload says so."""
    if payload.get("kill"):
        os.kill(os.getpid(), signal.SIGKILL)


@flow
async def patient(payload: dict[str, Any]) -> dict[str, Any]:
    return {"doubled": payload["n"] * 2}


@flow(batch_size=20)
def with_effect(payload: dict[str, Any], connection: Connection, context: FlowContext) -> None:
    effect = {"record_id": context.record_id, "claim_number": context.claim_number}
    connection.exec_driver_sql(INSERT_EFFECT, effect)
    if payload.get("fail") and context.attempt_number == 1:
        raise ValueError("the first attempt fails after it wrote")
    if seconds := payload.get("seconds"):
        time.sleep(seconds)


@flow(concurrency=2, time_limit_seconds=3, max_retries=0)
def unstoppable(payload: dict[str, Any]) -> None:
    """Runs in a thread, where nothing can interrupt it."""
    time.sleep(payload.get("seconds", 0))


@flow(time_limit_seconds=2, max_retries=0)
def deaf(payload: dict[str, Any]) -> None:
    """Swallows every exception that is raised in it, like C code that never checks for signals."""
    deadline = time.monotonic() + payload.get("seconds", 0)
    while time.monotonic() < deadline:
        with suppress(BaseException):
            time.sleep(1)


@flow
def hears_a_cancel(payload: dict[str, Any], context: FlowContext) -> None:
    context.report_progress("in flight")
    while True:
        context.raise_if_cancelled()
        time.sleep(0.01)


@flow(concurrency=2)
async def hears_a_cancel_async(payload: dict[str, Any], context: FlowContext) -> None:
    await context.report_progress_async("in flight")
    while not context.is_cancelled:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    context.raise_if_cancelled()


@flow
def hears_a_cancel_with_effect(payload: dict[str, Any], connection: Connection, context: FlowContext) -> None:
    effect = {"record_id": context.record_id, "claim_number": context.claim_number}
    connection.exec_driver_sql(INSERT_EFFECT, effect)
    hears_a_cancel(payload, context)


@flow(max_retries=0)
def holds_the_interpreter(payload: dict[str, Any]) -> None:
    """Sleeps in C and keeps the interpreter lock: no other Python code of this process runs, not even a signal
    handler."""
    if seconds := payload["seconds"]:
        ctypes.PyDLL(None).sleep(seconds)


@flow(max_retries=0)
def computes(payload: dict[str, Any]) -> None:
    """A loop in Python that no time limit ends."""
    deadline = time.monotonic() + payload["seconds"]
    while time.monotonic() < deadline:
        with suppress(BaseException):
            time.sleep(0.01)

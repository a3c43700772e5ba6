"""A handler that takes longer than its flow allows is stopped, and the rest of its batch is not affected."""

import asyncio
import signal
import threading
import time
from typing import Any

import pytest
from sqlalchemy import Connection

from tasks import FlowContext, TimeLimitExceededError
from tasks.worker import time_limit
from tasks.worker.time_limit import arm, disarm, masked, soft_limit
from tests.support.flow_runs import Worker

LIMIT_SECONDS = 0.2
LIMIT_OF_STATEMENTS_SECONDS = 1.0  # quick statements end within this time


def spin(payload: Any) -> None:
    if payload == "slow":
        while True:
            pass


def sleep(payload: Any) -> None:
    if payload == "slow":
        time.sleep(60)


def swallow(payload: Any) -> None:
    """A handler that goes on after the first TimeLimitExceededError."""
    while payload == "slow":
        try:
            time.sleep(60)
        except TimeLimitExceededError:
            payload = "swallowed once"
            time.sleep(60)


async def wait(payload: Any) -> None:
    if payload == "slow":
        await asyncio.sleep(60)


@pytest.mark.parametrize("handler", [spin, sleep, swallow, wait])
def test_a_slow_handler_is_stopped_and_charged_alone(worker: Worker, handler: Any) -> None:
    began = time.monotonic()
    rows = worker.process(handler, ["a", "slow", "b"], time_limit_seconds=LIMIT_SECONDS, max_retries=1)
    assert time.monotonic() - began < 30
    assert [row.status for row in rows] == ["completed", "pending", "completed"]
    assert (rows[1].retry_count, rows[1].crash_strikes) == (1, 0)
    attempt = worker.query("SELECT * FROM record_attempts")[0]
    assert attempt.exception_type == "TimeLimitExceededError"
    assert attempt.error_message == "the time limit of 0.2 s is over"


async def own_timeout(payload: Any) -> None:
    async with asyncio.timeout(0.01):
        await asyncio.sleep(1)


def test_a_timeout_of_the_handlers_own_keeps_its_name(worker: Worker) -> None:
    worker.process(own_timeout, [1], time_limit_seconds=5)
    assert worker.query("SELECT exception_type FROM record_attempts")[0].exception_type == "TimeoutError"


def test_a_statement_in_the_given_transaction_is_stopped_too(worker: Worker) -> None:
    def slow_statement(payload: Any, connection: Connection) -> None:
        connection.exec_driver_sql("SELECT pg_sleep(60)" if payload == "slow" else "SELECT 1")

    rows = worker.process(
        slow_statement, ["a", "slow", "b"], time_limit_seconds=LIMIT_OF_STATEMENTS_SECONDS, max_retries=0
    )
    assert [row.status for row in rows] == ["completed", "failed", "completed"]
    assert "time limit" in rows[1].error_message
    assert worker.query("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(60)%%' "
                        "AND state = 'active' AND pid <> pg_backend_pid()")[0].count == 0  # fmt: skip


def test_the_handler_knows_its_deadline(worker: Worker) -> None:
    seen: list[Any] = []

    def look(payload: Any, context: FlowContext) -> None:
        seen.extend([context.remaining_seconds, context.deadline])

    worker.process(look, [1], time_limit_seconds=30)
    worker.process(look, [1], name="unlimited")
    assert 15 < seen[0] <= 30
    assert seen[1].tzinfo is not None
    assert seen[2:] == [None, None]


def test_the_limit_waits_until_a_call_of_the_store_is_over() -> None:
    steps: list[str] = []

    def handler() -> None:
        with masked():
            signal.raise_signal(signal.SIGALRM)  # the time limit expires here, however slow this machine is
            steps.append("stored")
        steps.append("interrupted too late")

    arm(600)
    with pytest.raises(TimeLimitExceededError):
        handler()
    disarm()
    assert steps == ["stored"]
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_limit_that_rings_after_the_handler_returned_does_nothing() -> None:
    arm(600)
    disarm()
    signal.raise_signal(signal.SIGALRM)
    assert time_limit.can_interrupt()


@pytest.mark.parametrize(("limit_hours", "orphan_hours"), [(None, 2), (1, 2), (5, 10)])
def test_a_flow_with_a_long_time_limit_has_twice_this_limit_as_its_orphan_limit(
    worker: Worker, limit_hours: int | None, orphan_hours: int
) -> None:
    seconds = None if limit_hours is None else limit_hours * 3600
    worker.declare(spin, name="limited", time_limit_seconds=seconds)
    [row] = worker.query("SELECT orphan_timeout_seconds FROM flows WHERE flow_name = 'limited'")
    assert row.orphan_timeout_seconds == orphan_hours * 3600


class SoftLimitError(Exception):
    pass


@pytest.mark.parametrize("is_main_thread", [True, False])
def test_a_soft_limit_waits_for_the_end_of_a_masked_block(is_main_thread: bool) -> None:
    said: list[str] = []

    def call() -> None:
        try:
            with soft_limit(LIMIT_SECONDS, SoftLimitError):
                with masked(), masked():
                    ends_at = time.monotonic() + 3 * LIMIT_SECONDS
                    while time.monotonic() < ends_at:
                        pass
                    said.append("block")
                spin("slow")
        except SoftLimitError:
            said.append("limit")

    if is_main_thread:
        call()
    else:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join(30)
    assert said == ["block", "limit"]

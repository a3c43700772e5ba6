"""Every record gets an outcome, whatever its handler does. The other records of its batch are not affected."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tasks import PERMANENT, Backoff, FlowContext, PermanentError, RecordCancelled, SnoozeRecord
from tests.support.flow_runs import Worker

AT_ONCE = Backoff.fixed(0)


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def raises(error: BaseException) -> Callable[[], Any]:
    def call() -> None:
        raise error

    return call


def recurse() -> Any:
    return recurse()


async def _coroutine() -> None: ...


MISBEHAVIOURS: dict[str, Callable[[], Any]] = {
    "str() raises": raises(UnspeakableError()),
    "exit": lambda: sys.exit("out of here"),
    "memory": raises(MemoryError()),
    "interrupt": raises(KeyboardInterrupt()),
    "base": raises(BaseException("at the root")),
    "generator": raises(GeneratorExit()),
    "cancelled task": raises(asyncio.CancelledError()),
    "a set": lambda: {1, 2},
    "NaN": lambda: float("nan"),
    "NUL": lambda: "\x00",
    "huge": lambda: "x" * 100_000,
    "depth": recurse,
    "secret": raises(ConnectionError("postgresql://me:sesame@db/rpa_db is away")),
    "surrogate": raises(ValueError("\ud800\x00 \x1b[31m")),
    "coroutine": _coroutine,
    "cancelled record": raises(RecordCancelled("nobody asked")),
}


def misbehave(payload: dict[str, Any]) -> Any:
    return MISBEHAVIOURS.get(payload["how"], lambda: None)()


async def misbehave_async(payload: dict[str, Any]) -> Any:
    return misbehave(payload)


@pytest.mark.parametrize("options", [{}, {"concurrency": 3}])
@pytest.mark.parametrize("handler", [misbehave, misbehave_async])
def test_nothing_that_a_handler_raises_or_returns_breaks_its_batch(
    worker: Worker, handler: Any, options: dict[str, Any]
) -> None:
    payloads = [{"how": how} for how in MISBEHAVIOURS] + [{"how": "fine"}] * 3
    rows = worker.process(handler, payloads, max_retries=0, **options)
    assert {row.payload["how"]: row.status for row in rows} == dict.fromkeys(MISBEHAVIOURS, "failed") | {
        "fine": "completed"
    }
    attempts = worker.query("SELECT * FROM record_attempts")
    assert len(attempts) == len(MISBEHAVIOURS)
    assert all(attempt.error_message and attempt.traceback for attempt in attempts)
    assert not any("sesame" in attempt.error_message + attempt.traceback for attempt in attempts)


def test_an_error_is_retried_until_the_attempts_are_used_up(worker: Worker) -> None:
    seen: list[int] = []

    def stubborn(payload: Any, context: FlowContext) -> None:
        seen.append(context.attempt_number)
        assert context.is_last_attempt == (context.attempt_number == 3)
        raise ValueError

    rows = worker.process(stubborn, [1], max_retries=2, backoff=AT_ONCE)
    assert (rows[0].status, rows[0].retry_count, seen) == ("failed", 3, [1, 2, 3])
    history = worker.query("SELECT attempt_number, outcome FROM record_attempts ORDER BY 1")
    assert [tuple(row) for row in history] == [(1, "retried"), (2, "retried"), (3, "failed")]


def test_a_permanent_error_fails_at_once(worker: Worker) -> None:
    def hopeless(payload: Any) -> None:
        raise PermanentError("no such customer")

    row = worker.process(hopeless, [1], max_retries=5)[0]
    assert (row.status, row.retry_count, row.error_message) == ("failed", 1, "no such customer")


class CloudError(ConnectionError):
    pass


@pytest.mark.parametrize(
    ("raised", "delay_seconds"),
    [(CloudError, 100), (ConnectionError, 7), (ConnectionResetError, 7), (ValueError, None), (KeyError, 3)],
)
def test_the_policy_of_the_nearest_class_decides(
    worker: Worker, raised: type[Exception], delay_seconds: float | None
) -> None:
    def unlucky(payload: Any) -> None:
        raise raised

    row = worker.process(
        unlucky,
        [1],
        backoff=Backoff.fixed(3),
        retry_on={
            CloudError: lambda attempt, error: 100 * attempt,
            ConnectionError: Backoff.fixed(7),
            ValueError: PERMANENT,
        },
    )[0]
    if delay_seconds is None:
        assert row.status == "failed"
    else:
        assert row.status == "pending"
        assert delay_seconds - 1 < (row.scheduled_at - row.updated_at).total_seconds() < delay_seconds + 20


@pytest.mark.parametrize(
    "wrong", [lambda attempt, error: "soon", lambda attempt, error: -1, lambda a, e: 1 / 0]
)
def test_a_back_off_function_that_fails_costs_the_record_nothing(worker: Worker, wrong: Any) -> None:
    def unlucky(payload: Any) -> None:
        raise ValueError

    row = worker.process(unlucky, [1], backoff=wrong)[0]
    assert (row.status, row.retry_count) == ("pending", 1)
    assert 3 < (row.scheduled_at - row.updated_at).total_seconds() < 26


def test_delays_grow_are_capped_and_differ() -> None:
    backoff = Backoff(first_seconds=2, factor=3, maximum_seconds=50, jitter=0)
    assert [backoff.delay_seconds(n) for n in (1, 2, 3, 4, 5, 10_000)] == [2, 6, 18, 50, 50, 50]
    shortened = {Backoff(10, jitter=0.5).delay_seconds(1) for _ in range(100)}
    assert len(shortened) > 50
    assert all(5 <= delay <= 10 for delay in shortened)


def test_a_snooze_charges_no_attempt(worker: Worker) -> None:
    def not_yet(payload: Any) -> None:
        raise SnoozeRecord(3600)

    row = worker.process(not_yet, [1], max_retries=0)[0]
    assert (row.status, row.retry_count) == ("pending", 0)
    assert 3590 < (row.scheduled_at - row.updated_at).total_seconds() < 3610


def test_errors_that_differ_in_numbers_only_are_one_group(worker: Worker) -> None:
    def vary(payload: int) -> None:
        raise ValueError(f"order {payload} of 2026-11-{payload} failed at 0x{payload:x}")

    worker.process(vary, [11, 12, 13], max_retries=0)
    groups = worker.query("SELECT error_group, count(*) FROM record_attempts GROUP BY 1")
    assert [tuple(row) for row in groups] == [("ValueError: order # of #-#-# failed at #", 3)]


def test_a_payload_that_cannot_be_decoded_fails_alone(worker: Worker) -> None:
    flow = worker.declare(lambda payload: None, name="decode", max_retries=0)
    fine = worker.enqueue("decode", [1, 2])
    bad = worker.query(
        "INSERT INTO processing_queue (flow_name, payload) VALUES ('decode', '[1e5000]') RETURNING id"
    )[0].id
    worker.run(flow)
    statuses = dict(worker.query("SELECT id, status FROM processing_queue"))
    assert statuses == dict.fromkeys(fine, "completed") | {bad: "failed"}


def test_the_result_is_stored(worker: Worker) -> None:
    rows = worker.process(lambda payload: {"double": 2 * payload}, [1, 2], name="double")
    assert [row.result for row in rows] == [{"double": 2}, {"double": 4}]

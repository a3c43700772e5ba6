"""Every error that a handler raises becomes an outcome of its own record, even if reading the error raises another
error."""

import functools
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from queue_store.redaction import READ_LIMIT
from tasks import FlowContext, SnoozeRecord
from tasks.run_loop.attempt import Attempts
from tests.support.flow_runs import Worker


def refuse(*_: object) -> Any:
    raise RuntimeError("a text that nobody can use")


METHODS = ("__len__", "__bool__", "__getitem__", "__format__", "encode")
StrangeText: Any = type("StrangeText", (str,), dict.fromkeys(METHODS, refuse))


class StrangeTextError(Exception):
    def __str__(self) -> str:
        strange: str = StrangeText("strange")
        return strange


class HiddenName(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in ("__name__", "__qualname__"):
            raise RuntimeError("no name")
        return super().__getattribute__(name)


class NumberedName(type):
    def __getattribute__(cls, name: str) -> Any:
        return 7 if name in ("__name__", "__qualname__") else super().__getattribute__(name)


class Unhashable(type):
    __hash__ = None  # type: ignore[assignment]


class HiddenGroup(ExceptionGroup[Exception]):
    @property
    def exceptions(self) -> Any:
        raise RuntimeError("no exceptions")


class EmptyGroup(ExceptionGroup[Exception]):
    @property
    def exceptions(self) -> Any:
        return ()


class NoClass(Exception):  # noqa: N818
    @property
    def __class__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no class")


class NoDelay(SnoozeRecord):
    def __init__(self) -> None:
        """Sets no delay."""


def snooze(delay: object) -> SnoozeRecord:
    wish = SnoozeRecord(1)
    wish.delay_seconds = delay  # type: ignore[assignment]
    return wish


def noted(notes: object) -> Exception:
    error = ValueError("noted")
    error.__notes__ = notes  # type: ignore[assignment]
    return error


def caused_by_itself() -> Exception:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    return first


def nested(depth: int) -> Exception:
    wrap: Callable[[Exception, int], Exception] = lambda inner, _: ExceptionGroup("deep", [inner])  # noqa: E731
    return functools.reduce(wrap, range(depth), ValueError("at the bottom"))


ERRORS: dict[str, Callable[[], BaseException]] = {
    "spaces": lambda: ValueError(" " * (READ_LIMIT + 1)),
    "newlines": lambda: ValueError("\n" * (READ_LIMIT + 1)),
    "one word": lambda: ValueError("x" * (READ_LIMIT + 1)),
    "strange text": StrangeTextError,
    "hidden name": lambda: HiddenName("Hidden", (Exception,), {})("hidden"),
    "number as name": lambda: NumberedName("Numbered", (Exception,), {})("numbered"),
    "empty name": type("", (Exception,), {}),
    "unhashable type": lambda: Unhashable("Unhashed", (Exception,), {})("unhashed"),
    "no class": NoClass,
    "hidden group": lambda: HiddenGroup("hidden", [ValueError()]),
    "empty group": lambda: EmptyGroup("empty", [ValueError()]),
    "deep group": lambda: nested(5_000),
    "circle of causes": caused_by_itself,
    "notes that are a number": lambda: noted(7),
    "notes without text": lambda: noted([NoClass(), StrangeText("note")]),
    "snooze without a delay": NoDelay,
    "snooze with a text": lambda: snooze("soon"),
    "snooze with NaN": lambda: snooze(float("nan")),
    "snooze with a negative delay": lambda: snooze(-1),
    "snooze beyond a year": lambda: snooze(10**400),
    "snoozes of two kinds": lambda: ExceptionGroup("two", [snooze("soon"), SnoozeRecord(1)]),
}
PAYLOADS = [*ERRORS, "fine", "fine"]


def plain(payload: str) -> None:
    if payload in ERRORS:
        error = ERRORS[payload]()
        raise error


async def asynchronous(payload: str) -> None:
    plain(payload)


def in_transaction(payload: str, connection: "psycopg.Connection[Any]") -> None:
    plain(payload)


def batch_that_returns(records: list[FlowContext]) -> list[Any]:
    return [ERRORS[record.payload]() if record.payload in ERRORS else None for record in records]


def batch_that_raises(records: list[FlowContext]) -> None:
    for record in records:
        plain(record.payload)


def failing_hook(context: FlowContext, error: BaseException, will_retry: bool) -> None:
    raise RuntimeError("the hook fails, too")


WAYS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "plain": (plain, {}),
    "with a hook": (plain, {"failed": failing_hook}),
    "in threads": (plain, {"concurrency": 3}),
    "on the loop": (asynchronous, {}),
    "on the loop at once": (asynchronous, {"concurrency": 3, "failed": failing_hook}),
    "in a transaction": (in_transaction, {}),
    "returned by a batch": (batch_that_returns, {"batch": True}),
    "raised by a batch": (batch_that_raises, {"batch": True, "batch_size": 1}),
}


@pytest.mark.parametrize("way", WAYS)
def test_only_the_record_whose_error_cannot_be_read_fails(worker: Worker, way: str) -> None:
    handler, options = WAYS[way]
    rows = worker.process(handler, PAYLOADS, name="odd", max_retries=0, **options)
    expected = dict.fromkeys(ERRORS, "failed") | {"fine": "completed"}
    assert {row.payload: row.status for row in rows} == expected
    attempts = worker.query("SELECT * FROM record_attempts")
    assert len(attempts) == len(ERRORS)
    assert all(a.exception_type and a.error_message and a.error_group and a.traceback for a in attempts)


@pytest.mark.parametrize("way", WAYS)
def test_a_mistake_in_the_description_of_errors_costs_no_worker(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr("tasks.run_loop.failures.redact", refuse)
    handler, options = WAYS[way]
    rows = worker.process(handler, ["one word", "fine"], name="odd", max_retries=0, **options)
    assert [row.status for row in rows] == ["failed", "completed"]
    assert rows[0].error_message == "the error of the handler could not be described"


@pytest.mark.parametrize("handler", [plain, asynchronous])
def test_an_attempt_that_raises_is_a_failure_of_its_record(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, handler: Callable[..., Any]
) -> None:
    def break_down(*_: object) -> Any:
        raise RuntimeError("a mistake in the run loop")

    async def break_down_on_the_loop(*_: object) -> Any:
        break_down()

    monkeypatch.setattr(Attempts, "attempt_plainly", break_down)
    monkeypatch.setattr(Attempts, "attempt", break_down_on_the_loop)
    rows = worker.process(handler, ["fine"] * 5, name="odd", max_retries=0, concurrency=3)
    assert [row.status for row in rows] == ["failed"] * 5


def test_a_back_off_function_that_exits_keeps_the_message_of_the_error(worker: Worker) -> None:
    def leave(attempt: int, error: BaseException) -> float:
        raise SystemExit

    def fail(payload: object) -> None:
        raise ValueError("the reason")

    row = worker.process(fail, [1], concurrency=2, backoff=leave)[0]
    assert (row.status, row.retry_count, row.error_message) == ("pending", 1, "the reason")
    assert 3 < (row.scheduled_at - row.updated_at).total_seconds() < 26

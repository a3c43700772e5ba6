"""A flow that is declared wrongly is refused at import. The error says what is wrong and what would be right."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from celery.schedules import crontab, schedule
from click.testing import CliRunner
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Session

from tasks import PERMANENT, Backoff, FlowContext, FlowDeclarationError, flow
from tasks.authoring.declaration import declare
from tasks.authoring.flow import Flow, FlowOptions
from tasks.authoring.registry import empty_registry
from tasks.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def no_flows() -> Iterator[None]:
    with empty_registry():
        yield


def handler(payload: Any) -> None: ...


async def async_handler(payload: Any) -> None: ...


async def async_backoff(failed_attempts: int, error: BaseException) -> float:
    return 5.0


class AsyncCallable:
    __name__ = "remembering"

    async def __call__(self, payload: Any) -> None: ...


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"batchsize": 3}, "no option batchsize; did you mean batch_size?"),
    ({"retries": 3}, "no option retries; did you mean"),
    ({"xyz": 3}, "no option xyz; there are name, queue"),
    *(({option: value}, f"{option} must be")
      for option, wrong in {
          "batch_size": (0, -1, 10_001, 1.5, "10", True, float("nan")),
          "max_runs": (0, -1, 100_001, "1"),
          "concurrency": (0, -1, 1_001, 2.5, None, True),
          "max_retries": (-1, 1_001, 0.5, "3"),
          "time_limit_seconds": (0, -1, 86_401, "60", float("inf"), float("nan"), True),
          "batch": (1, "yes", None),
          "express": (1, "yes"),
          "failure_blocks_key": (1, None),
          "queue": ("", "a b", "q" * 101, 7, None, "schlange\u202e"),
          "backoff": (5, None, "fast"),
          "retry_on": ([], None, {"ValueError": PERMANENT}, {int: PERMANENT}),
          "before": ("f", 3),
          "schedule": ("* * * * *", 60, schedule(0), schedule(-5), schedule(timedelta(days=400))),
      }.items()
      for value in wrong),
    ({"retry_on": {ValueError: 5}}, r"retry_on\[ValueError\] must be"),
    ({"queue": "control"}, "reserved"),
    ({"schedule_payload": {1}, "schedule": crontab()}, "schedule_payload"),
    ({"schedule_payload": {}}, "it needs a schedule"),
    ({"name": "shop orders"}, "a name is 1 to 255 letters, digits"),
    ({"name": "a" * 256}, "a name is 1 to 255 letters, digits"),
    ({"name": "rechnung\u0435n"}, "a name is 1 to 255 letters, digits"),
    ({"name": 7}, "a name is 1 to 255 letters, digits"),
    ({"batch": True, "concurrency": 2}, "concurrency has no meaning"),
    ({"express": True, "concurrency": 2}, "express needs a handler without concurrency"),
    ({"batch": True, "after": print}, "hooks are called for single records"),
    ({"after": lambda context, result: AsyncCallable(), "before": AsyncCallable()}, "a hook is async"),
    ({"name": ""}, "a name is 1 to 255 letters, digits"),
    ({"before": lambda: None}, r"before is called with \(context\): too many positional"),
    ({"after": handler}, r"after is called with \(context, result\)"),
    ({"failed": lambda context, error: None}, "failed is called with"),
    ({"backoff": lambda: 5}, r"backoff is called with \(failed_attempts, error\)"),
    ({"backoff": async_backoff}, "backoff must be a plain function"),
    ({"retry_on": {ValueError: async_backoff}}, r"retry_on\[ValueError\] must be a plain function"),
    ({"retry_on": {ValueError: handler}}, r"retry_on\[ValueError\] is called with"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "problem"), BAD_OPTIONS)
def test_a_wrong_option_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(FlowDeclarationError, match=problem):
        declare(handler, options)


def no_parameter() -> None: ...
def keyword_only(*, payload: Any) -> None: ...
def stranger(payload: Any, engine: int) -> None: ...
def untyped(payload: Any, connection) -> None: ...  # type: ignore[no-untyped-def]
def two(payload: Any, one: Connection, other: Session) -> None: ...
def unresolved(payload: Any, context: "NoSuchThing") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def generator(payload: Any) -> Any:
    yield payload


def async_connection_in_plain(payload: Any, connection: AsyncConnection) -> None: ...
async def plain_connection_in_async(payload: Any, connection: "psycopg.Connection[Any]") -> None: ...


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (no_parameter, "needs a first parameter"),
        (keyword_only, "needs a first parameter"),
        (stranger, "parameter engine must be annotated"),
        (untyped, "parameter connection must be annotated"),
        (two, "a handler can take one transaction only"),
        (unresolved, "cannot be resolved"),
        (generator, "must not be a generator"),
        (async_connection_in_plain, "a plain handler takes its transaction as one of sqlalchemy.Connection"),
        (plain_connection_in_async, "an async handler takes its transaction as one of"),
        (lambda payload: None, "a name is 1 to 255 letters, digits"),
    ],
)
def test_a_wrong_handler_is_refused(wrong: Callable[..., Any], problem: str) -> None:
    with pytest.raises(FlowDeclarationError, match=problem):
        declare(wrong, {})


def test_an_object_that_is_called_with_await_is_an_async_handler() -> None:
    assert declare(AsyncCallable(), {}).is_async
    assert not declare(handler, {"backoff": max, "after": print}).is_async


def with_transaction(payload: Any, connection: Connection) -> None: ...


def test_concurrent_handlers_cannot_share_a_transaction() -> None:
    with pytest.raises(FlowDeclarationError, match="cannot share one transaction"):
        declare(with_transaction, {"concurrency": 2})


def with_context(records: list[FlowContext], context: FlowContext) -> None: ...


def test_a_batch_handler_has_no_context_of_its_own() -> None:
    with pytest.raises(FlowDeclarationError, match="the records it is given are FlowContexts"):
        declare(with_context, {"batch": True})


@pytest.mark.parametrize(
    "options", [{"first_seconds": -1}, {"factor": 0.5}, {"jitter": 2}, {"maximum_seconds": float("nan")}]
)
def test_a_wrong_back_off_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(FlowDeclarationError, match="Backoff: "):
        Backoff(**options)


def test_the_bounds_themselves_are_allowed() -> None:
    low = declare(handler, {"batch_size": 1, "max_retries": 0, "time_limit_seconds": 0.01, "max_runs": 1})
    high = declare(handler, {"batch_size": 10_000, "max_retries": 1_000, "time_limit_seconds": 86_400})
    assert (low.max_retries, high.batch_size) == (0, 10_000)


def test_every_documented_option_is_one_of_the_flows_fields() -> None:
    read_from_the_signature = {
        "handler",
        "is_async",
        "context_parameter",
        "transaction_parameter",
        "transaction_type",
        "payload_type",
    }
    assert (
        set(FlowOptions.__annotations__) == {field.name for field in fields(Flow)} - read_from_the_signature
    )


@pytest.mark.usefixtures("no_flows")
def test_a_second_flow_of_the_same_name_is_refused() -> None:
    flow(name="twin")(handler)
    flow(name="twin")(handler)  # a module may be imported again
    with pytest.raises(FlowDeclarationError, match="declared twice"):
        flow(name="twin")(async_handler)


@pytest.mark.usefixtures("no_flows")
def test_the_decorated_function_is_itself() -> None:
    assert flow(handler) is handler
    assert flow(name="other")(handler) is handler


def test_new_flow_writes_a_flow_and_a_test_that_passes(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["new-flow", "send_invoice", "--directory", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "send_invoice.py" in result.output
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "."]
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "2 passed" in done.stdout, done.stdout
    again = CliRunner().invoke(main, ["new-flow", "send_invoice", "--directory", str(tmp_path)])
    assert again.exit_code == 64
    assert "exists already" in again.output


@pytest.mark.parametrize("name", ["Invoice", "class", "../up", "a b", ""])
def test_new_flow_refuses_wrong_names(tmp_path: Path, name: str) -> None:
    result = CliRunner().invoke(main, ["new-flow", name, "--directory", str(tmp_path)])
    assert result.exit_code == 64
    assert list(tmp_path.iterdir()) == []

"""When a record is processed, Celery's signals are sent, and the hooks of the task class are called."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from celery import Task, signals

from tests.durable_tasks.conftest import Shop

NAMES = ("task_prerun", "task_postrun", "task_success", "task_failure", "task_retry")


def hear(heard: list[str], name: str, **_: Any) -> None:
    heard.append(name)


@contextmanager
def heard_signals() -> Iterator[list[str]]:
    heard: list[str] = []
    hearers = {name: partial(hear, heard, name) for name in NAMES}
    for name, hearer in hearers.items():
        getattr(signals, name).connect(hearer, weak=False)
    try:
        yield heard
    finally:
        for name, hearer in hearers.items():
            getattr(signals, name).disconnect(hearer)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("success", ["task_prerun", "task_success", "task_postrun"]),
        ("failure", ["task_prerun", "task_failure", "task_postrun"]),
        ("retry", ["task_prerun", "task_retry", "task_postrun"]),
    ],
)
def test_celerys_signals_are_sent_around_a_task(how: str, expected: list[str], shop: Shop) -> None:
    @shop.task(bind=True)
    def act(self: Any, how: str) -> None:
        if how == "failure":
            raise ValueError("no")
        if how == "retry":
            self.retry(countdown=60)

    act.delay(how)
    with heard_signals() as heard:
        shop.run(act)
    assert heard == expected


def test_the_hooks_of_a_base_class_are_called(shop: Shop) -> None:
    called: list[str] = []

    class Base(Task):
        abstract = True

        def before_start(self, *_: Any) -> None:
            called.append("before_start")

        def on_success(self, *_: Any) -> None:
            called.append("on_success")

        def after_return(self, *_: Any) -> None:
            called.append("after_return")

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            called.append("__call__")
            return super().__call__(*args, **kwargs)

    @shop.task(base=Base)
    def act() -> None: ...

    act.delay()
    shop.run(act)
    assert called == ["before_start", "__call__", "on_success", "after_return"]


def test_an_error_of_the_hook_on_retry_does_not_end_the_retry(shop: Shop) -> None:
    class Base(Task):
        abstract = True

        def on_retry(self, *_: Any) -> None:
            raise RuntimeError("the hook's service is away")

    @shop.task(bind=True, base=Base)
    def act(self: Any) -> None:
        self.retry(exc=ConnectionError("away"), countdown=60)

    act.delay()
    shop.run(act)
    assert shop.row().status == "pending"
    [attempt] = shop.worker.query("SELECT exception_type FROM record_attempts")
    assert attempt.exception_type == "ConnectionError"

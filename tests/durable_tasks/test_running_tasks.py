"""The body of a durable task runs as on plain Celery: its request, retries, limits, signals and hooks."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from celery import Celery, Task, signals
from celery.exceptions import Ignore, MaxRetriesExceededError, Reject, SoftTimeLimitExceeded
from pydantic import BaseModel

from tasks.background.other_tasks import serve_other_tasks
from tests.durable_tasks.conftest import Shop


def run_until_ended(shop: Shop, task: Any, most: int = 10) -> None:
    for _ in range(most):
        shop.run(task)
        if shop.rows()[0].status in ("completed", "failed"):
            return
        shop.worker.make_due()


def test_the_request_says_what_celery_says(shop: Shop) -> None:
    seen: dict[str, Any] = {}

    @shop.task(bind=True)
    def look(self: Any, order: int, copies: int = 1) -> None:
        request = self.request
        seen.update(
            id=request.id, retries=request.retries, args=request.args, kwargs=request.kwargs,
            headers=request.headers, tenant=request.tenant, root=request.root_id, called=request.called_directly,
            eager=request.is_eager, queue=request.delivery_info["routing_key"], host=request.hostname,
        )  # fmt: skip

    result = look.apply_async((17,), {"copies": 2}, headers={"tenant": "a"})
    shop.run(look)
    assert shop.row().status == "completed", shop.row().error_message
    assert seen.pop("host").startswith("celery@")
    assert seen == {
        "id": result.id, "retries": 0, "args": [17], "kwargs": {"copies": 2}, "headers": {"tenant": "a"},
        "tenant": "a", "root": result.id, "called": False, "eager": False, "queue": "flows",
    }  # fmt: skip


def test_a_retry_is_the_records(shop: Shop) -> None:
    tries: list[int] = []

    @shop.task(bind=True, max_retries=2)
    def charge(self: Any) -> str:
        tries.append(self.request.retries)
        if len(tries) < 3:
            raise self.retry(exc=ConnectionError("away"), countdown=60)
        return "charged"

    charge.delay()
    shop.run(charge)
    row = shop.row()
    assert (row.status, row.retry_count, row.error_message) == ("pending", 1, "away")
    assert row.scheduled_at - row.updated_at > timedelta(seconds=55)
    shop.worker.make_due()
    run_until_ended(shop, charge)
    assert (shop.row().status, shop.row().result, tries) == ("completed", "charged", [0, 1, 2])


def test_the_exception_of_a_retry_is_that_of_the_failure(shop: Shop) -> None:
    @shop.task(bind=True, max_retries=1)
    def charge(self: Any) -> None:
        raise self.retry(exc=ConnectionError("away"), countdown=0)

    charge.delay()
    run_until_ended(shop, charge)
    attempts = shop.worker.query(
        "SELECT outcome, exception_type FROM record_attempts ORDER BY attempt_number"
    )
    assert [tuple(attempt) for attempt in attempts] == [
        ("retried", "ConnectionError"), ("failed", "ConnectionError"),
    ]  # fmt: skip
    assert shop.row().retry_count == 2


def test_without_an_exception_the_end_of_the_retries_is_celerys(shop: Shop) -> None:
    @shop.task(bind=True, max_retries=0)
    def charge(self: Any) -> None:
        self.retry(countdown=0)

    charge.delay()
    shop.run(charge)
    assert shop.row().status == "failed"
    assert (
        MaxRetriesExceededError.__name__
        in shop.worker.query("SELECT * FROM record_attempts")[0].exception_type
    )


def test_a_call_of_retry_may_want_fewer_retries(shop: Shop) -> None:
    @shop.task(bind=True, max_retries=5)
    def charge(self: Any) -> None:
        self.retry(exc=ValueError("no"), countdown=0, max_retries=1)

    charge.delay()
    run_until_ended(shop, charge)
    assert (shop.row().status, shop.row().retry_count) == ("failed", 2)


def test_an_error_that_nobody_retries_fails_at_once(shop: Shop) -> None:
    @shop.task(max_retries=5)
    def charge() -> None:
        raise ValueError("no")

    charge.delay()
    shop.run(charge)
    assert (shop.row().status, shop.row().retry_count) == ("failed", 1)


@pytest.mark.parametrize("way", ["max_retries", "retry_kwargs"])
def test_autoretry_for_retries_with_its_back_off(way: str, shop: Shop) -> None:
    most = {"max_retries": 4} if way == "max_retries" else {"retry_kwargs": {"max_retries": 4}}

    @shop.task(
        autoretry_for=(ConnectionError,), retry_backoff=100, retry_backoff_max=300, retry_jitter=False, **most
    )
    def charge() -> None:
        raise ConnectionError("away")

    charge.delay()
    delays: list[float] = []
    for _ in range(5):
        shop.run(charge)
        row = shop.row()
        if row.status == "pending":
            delays.append((row.scheduled_at - row.updated_at).total_seconds())
            shop.worker.make_due()
    assert [round(delay) for delay in delays] == [100, 200, 300, 300]
    assert (shop.row().status, shop.row().retry_count) == ("failed", 5)


def test_jitter_shortens_the_delay_at_random(shop: Shop) -> None:
    @shop.task(autoretry_for=(ConnectionError,), retry_backoff=1000, max_retries=None)
    def charge() -> None:
        raise ConnectionError("away")

    for _ in range(5):
        charge.delay()
    shop.run(charge)
    delays = {round((row.scheduled_at - row.updated_at).total_seconds()) for row in shop.rows()}
    assert len(delays) > 1
    assert all(-1 <= delay <= 600 for delay in delays)


def test_a_retry_may_name_the_instant(shop: Shop) -> None:
    at = datetime.now(UTC) + timedelta(days=30)

    @shop.task(bind=True)
    def charge(self: Any) -> None:
        self.retry(eta=at)

    charge.delay()
    shop.run(charge)
    assert abs(shop.row().scheduled_at - at) < timedelta(minutes=5)


def test_a_retry_after_more_than_a_year_is_refused(shop: Shop) -> None:
    @shop.task(bind=True)
    def charge(self: Any) -> None:
        self.retry(countdown=400 * 86_400)

    charge.delay()
    shop.run(charge)
    assert shop.row().status == "failed"
    assert "a year" in shop.row().error_message


def test_ignore_and_reject_end_the_task(shop: Shop) -> None:
    @shop.task
    def give_up(how: str) -> None:
        raise Ignore if how == "ignore" else Reject("no", requeue=False)

    give_up.delay("ignore")
    give_up.delay("reject")
    shop.run(give_up)
    assert [row.status for row in shop.rows()] == ["completed", "failed"]


def test_results_that_are_ignored_or_no_json_are_not_kept(shop: Shop) -> None:
    @shop.task
    def produce(what: str) -> Any:
        return {"plain": {"order": 17}, "object": object()}[what]

    produce.delay("plain")
    produce.apply_async(("plain",), ignore_result=True)
    produce.delay("object")
    shop.run(produce)
    assert [(row.status, row.result) for row in shop.rows()] == [
        ("completed", {"order": 17}), ("completed", None), ("completed", None),
    ]  # fmt: skip


def test_a_soft_limit_raises_celerys_own_exception(shop: Shop) -> None:
    @shop.task(soft_time_limit=0.05, time_limit=60)
    def sleep() -> str:
        try:
            time.sleep(30)
        except SoftTimeLimitExceeded:
            return "cleaned up"
        return "slept"

    sleep.delay()
    shop.run(sleep)
    assert shop.row().result == "cleaned up"


def test_a_worker_that_takes_the_limits_of_tasks_over_leaves_those_of_records(shop: Shop) -> None:
    @shop.task(soft_time_limit=0.05)
    def sleep() -> None:
        time.sleep(30)

    with Celery("worker", set_as_current=False) as worker_app:
        serve_other_tasks(worker_app)
        assert worker_app.tasks["shop.sleep"] is shop.app.tasks["shop.sleep"]
    sleep.delay()
    shop.run(sleep)
    assert shop.row().status == "failed"


def test_a_soft_limit_works_without_a_hard_one(shop: Shop) -> None:
    @shop.task(soft_time_limit=0.05)
    def sleep() -> None:
        time.sleep(30)

    sleep.delay()
    shop.run(sleep)
    assert shop.row().status == "failed"
    assert shop.worker.query("SELECT * FROM record_attempts")[0].exception_type == "SoftTimeLimitExceeded"


def test_the_hard_limit_goes_on_after_the_soft_one(shop: Shop) -> None:
    @shop.task(soft_time_limit=0.05, time_limit=0.2)
    def sleep() -> None:
        try:
            time.sleep(30)
        except SoftTimeLimitExceeded:
            time.sleep(30)

    sleep.delay()
    shop.run(sleep)
    assert shop.row().status == "failed"
    assert shop.worker.query("SELECT * FROM record_attempts")[0].exception_type == "TimeLimitExceededError"


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


def test_a_class_may_be_a_task(shop: Shop) -> None:
    class Charge(Task):
        name = "shop.charge"

        def run(self, order: int) -> int:
            return order

    charge = shop.app.register_task(Charge())
    shop.know("shop.charge")
    charge.delay(17)
    shop.run(charge)
    assert shop.row().result == 17


class Order(BaseModel):
    number: int


def test_pydantic_models_are_checked_and_dumped(shop: Shop) -> None:
    @shop.task(pydantic=True)
    def double(order: Order) -> Order:
        assert isinstance(order, Order)
        return Order(number=2 * order.number)

    double.delay({"number": 4})
    double.delay(Order(number=5))
    shop.run(double)
    assert [row.result for row in shop.rows()] == [{"number": 8}, {"number": 10}]


def test_a_link_is_enqueued_with_the_success(shop: Shop) -> None:
    received: list[Any] = []

    @shop.task
    def add(a: int, b: int) -> int:
        if b < 0:
            raise ValueError("no")
        return a + b

    @shop.task
    def note(*values: Any) -> None:
        received.append(values)

    add.apply_async((1, 2), link=note.s(10))
    add.apply_async((1, 2), link=note.si("fixed"))
    add.apply_async((1, -2), link=note.s(10))
    shop.run(add)
    shop.run(note)
    assert received == [(3, 10), ("fixed",)]
    assert [row.status for row in shop.rows()] == [
        "completed",
        "completed",
        "failed",
        "completed",
        "completed",
    ]


def test_a_task_that_calls_another_is_its_parent(shop: Shop) -> None:
    @shop.task
    def child() -> None: ...

    @shop.task
    def parent() -> None:
        child.delay()

    result = parent.delay()
    shop.run(parent)
    assert shop.rows()[1].payload["parent_id"] == shop.rows()[1].payload["root_id"] == result.id


def test_a_record_that_no_call_has_written_fails_alone(shop: Shop) -> None:
    @shop.task
    def act() -> None: ...

    shop.worker.enqueue("shop.act", [[1, 2], {"args": {}}, {}])
    shop.run(act)
    assert [row.status for row in shop.rows()] == ["failed", "failed", "completed"]


def test_a_task_by_any_call_is_the_same(make_shop: Callable[..., Shop]) -> None:
    """Called as a function, or with apply(), nothing is written."""
    shop = make_shop()

    @shop.task(bind=True)
    def double(self: Any, number: int) -> int:
        return 2 * number

    assert double(4) == double.apply((4,)).get() == 8
    assert shop.rows() == []

"""A durable task's body runs as on plain Celery, with the same request, results, classes and calls."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import celery
import pytest
from celery import Task
from celery.exceptions import Ignore, Reject
from pydantic import BaseModel

from tasks.run_loop.express import may_be_express
from tests.durable_tasks.conftest import Shop


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


@pytest.mark.parametrize("declared", [True, False, None])
@pytest.mark.parametrize("in_all", [True, False])
@pytest.mark.parametrize("said", [True, False, None])
def test_a_call_says_whether_its_result_is_kept(
    said: bool | None, in_all: bool, declared: bool | None, shop: Shop
) -> None:
    shop.app.conf.task_ignore_result = in_all

    def produce() -> int:
        return 17

    produce = shop.task(produce, ignore_result=declared)
    shop.app.send_task("shop.produce", ignore_result=said)
    result = produce.apply_async(ignore_result=said)
    shop.run(produce)
    is_ignored = next(say for say in (said, declared, in_all) if say is not None)
    assert [row.result for row in shop.rows()] == [None if is_ignored else 17] * 2
    assert result.get(timeout=0) == (None if is_ignored else 17)


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
    double.delay(Order(number=5) if celery.VERSION >= (5, 7) else {"number": 5})
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
    shop = make_shop()

    @shop.task(bind=True)
    def double(self: Any, number: int) -> int:
        return 2 * number

    assert double(4) == double.apply((4,)).get() == 8
    assert shop.rows() == []


@pytest.mark.parametrize(
    ("options", "is_express"),
    [
        ({}, False),
        ({"express": True}, False),
        ({"acks_late": True}, True),
        ({"acks_late": True, "express": False}, False),
    ],
)
def test_a_task_is_express_only_where_a_crash_repeats_it(
    shop: Shop, options: dict[str, bool], is_express: bool
) -> None:
    @shop.task(**options)
    def charge() -> None: ...

    flow = shop.worker.services.flows[charge.name]
    assert may_be_express(flow, replace(shop.worker.services.settings, express_by_itself=True)) is is_express

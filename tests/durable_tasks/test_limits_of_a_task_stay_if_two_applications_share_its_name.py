"""Two applications can have a task of the same name. A worker takes the tasks over in its main process, and again in
each child. The limits that the tasks declare survive this."""

from collections.abc import Callable
from typing import Any

from celery import Celery

from tasks.background.other_tasks import serve_other_tasks
from tests.durable_tasks.conftest import Shop


def send() -> None: ...


def test_the_limits_survive_the_second_takeover(make_shop: Callable[..., Shop]) -> None:
    shops = [make_shop(durable=["shop.billing.*"]) for _ in range(2)]
    tasks: list[Any] = [
        shop.app.task(name="shop.send", time_limit=limit, soft_time_limit=limit - 1)(send)
        for shop, limit in zip(shops, (60, 70), strict=True)
    ]
    with Celery("worker", set_as_current=False) as worker_app:
        for _ in range(2):
            serve_other_tasks(worker_app)
        assert [task.declared_limits for task in tasks] == [(60, 59), (70, 69)]
        assert [(task.time_limit, task.soft_time_limit) for task in tasks] == [(None, None)] * 2

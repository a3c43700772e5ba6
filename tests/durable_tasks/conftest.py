from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy.orm import Session

from queue_store.flows import register
from queue_store.runs.run import RunCounts
from tasks.authoring.registry import empty_registry, find_flow
from tasks.celery import DurableCelery
from tasks.worker.services import declaration
from tests.support.flow_runs import Worker


class Shop:
    """An application and the worker of its tasks. Both run in this process, and use a real database. Tasks are enqueued
    in the transaction of `session`."""

    def __init__(self, worker: Worker, **options: Any) -> None:
        self.worker = worker
        self.database = worker.services.database
        self.session: Session | None = None
        options.setdefault("transaction", lambda: self.session)
        self.app = DurableCelery(
            "shop", broker="memory://", set_as_current=False, database=self.database, **options
        )

    def task(self, function: Callable[..., Any] | None = None, **options: Any) -> Any:
        """Declares a task and registers it in the database, as a worker does at its start."""
        if function is None:
            return lambda function: self.task(function, **options)
        options.setdefault("name", f"shop.{function.__name__}")
        task = self.app.task(**options)(function)
        self.know(task.name)
        return task

    def know(self, name: str) -> None:
        make_known(self.worker, name)

    def run(self, task: Any) -> RunCounts:
        return self.worker.run(self.worker.services.flows[task.name])

    def rows(self) -> list[Any]:
        return self.worker.query("SELECT * FROM processing_queue ORDER BY id")

    def row(self) -> Any:
        [row] = self.rows()
        return row


def run_until_ended(shop: Shop, task: Any, most: int = 10) -> None:
    for _ in range(most):
        shop.run(task)
        if shop.rows()[0].status in ("completed", "failed"):
            return
        shop.worker.make_due()


def make_known(worker: Worker, *names: str) -> None:
    """Registers those of the named tasks that are durable."""
    flows = [flow for name in names if (flow := find_flow(name)) is not None]
    worker.services.flows.update({flow.name: flow for flow in flows})
    with worker.services.database.transaction() as cursor:
        register(cursor, [declaration(flow, worker.services.settings) for flow in flows])


@pytest.fixture
def make_shop(worker: Worker) -> Iterator[Callable[..., Shop]]:
    with empty_registry():
        yield lambda **options: Shop(worker, **options)


@pytest.fixture
def shop(make_shop: Callable[..., Shop]) -> Shop:
    return make_shop()

"""With FLOW_MODULES=processing_queue.django.flows, a worker process finds the tasks and runs them."""

from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from queue_store import CeleryHintSender
from tests.support.flow_runs import Worker
from tests.workers.processes import running_worker, wait_until

NAMES = ("add", "add_slowly", "count_orders", "insert_order", "fail_for_good")
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "add": (1,),
    "add_slowly": (1, 2),
    "count_orders": (),
    "insert_order": (1,),
    "fail_for_good": ("no money",),
}


REGISTERED = (
    "SELECT 1 FROM worker_processes WHERE state = 'running'"
    " AND 'tests.django.shop.tasks.add' = ANY(flow_names)"
)


@pytest.mark.long
@pytest.mark.parametrize("hinted", [True, False])
def test_a_worker_runs_tasks(
    shop: Any,
    task_worker: Worker,
    settings_environment: dict[str, str],
    redis_url: str,
    tmp_path: Path,
    hinted: bool,
) -> None:
    """With a hint, the main thread of the pool child runs the tasks. Without a hint, a background thread finds the
    records and runs the tasks."""
    environment = settings_environment | {"DJANGO_SETTINGS_MODULE": "tests.django.shop.settings"}
    settings = {"IDLE_POLL_SECONDS": "60" if hinted else "0.2"}
    log = tmp_path / "worker.log"
    with running_worker(
        environment, log, concurrency=1, flows="processing_queue.django.flows", settings=settings
    ):
        wait_until(lambda: bool(task_worker.query(REGISTERED)), "the child to be registered", log)
        results = [getattr(shop, name).enqueue(*ARGUMENTS[name]) for name in NAMES]
        if hinted:
            with Celery("shop", broker=redis_url) as app:
                for name in NAMES:
                    CeleryHintSender(app).send(f"tests.django.shop.tasks.{name}", "flows")
        wait_until(lambda: task_worker.statuses() == {"completed": 4, "failed": 1}, "the tasks", log)
    for result in results:
        result.refresh()
    assert [result.status for result in results] == ["SUCCESSFUL"] * 4 + ["FAILED"]
    assert results[0].return_value == 3
    assert results[4].errors[0].exception_class is shop.CardRefusedError
    assert [row.number for row in task_worker.query("SELECT number FROM orders")] == [1]

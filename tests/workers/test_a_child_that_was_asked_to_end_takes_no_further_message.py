"""If a child is asked to end, it ends after its run. Another child executes the tasks of the next messages."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.workers.conftest import Queue
from tests.workers.processes import running_worker, wait_until
from tests.workers.test_every_end_of_a_worker_gives_its_records_back import SETTINGS, begin
from tests.workers.test_malformed_messages import message

FLOWS = "tests.workers.flows_under_test,tests.durable_tasks.shop_under_test"
TEXTS = ["first", "second", "third"]


@pytest.fixture
def effects(queue: Queue) -> Iterator[None]:
    with queue.database.transaction() as cursor:
        cursor.execute("CREATE TABLE task_effects (text text NOT NULL, pid integer)")
    yield
    with queue.database.transaction() as cursor:
        cursor.execute("DROP TABLE task_effects")


def push(client: redis.Redis, text: str) -> None:
    """Sends a message of a task that is not durable. Celery acknowledges this message before the task begins."""
    options = dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))
    headers = {"task": "plain.slow", "id": text, "root_id": text}
    properties = {"correlation_id": text, "delivery_tag": text}
    client.lpush("flows", message([[text], {}, options], headers, properties))


@pytest.mark.usefixtures("effects")
def test_tasks_that_wait_for_the_child_are_not_lost(
    queue: Queue, settings_environment: dict[str, str], redis_client: redis.Redis, log: Path
) -> None:
    with running_worker(settings_environment, log, concurrency=1, flows=FLOWS, settings=SETTINGS) as worker:
        begin(queue, redis_client, "sleepy", worker)
        for text in TEXTS:
            push(redis_client, text)
        [child] = worker.children()
        os.kill(child, signal.SIGTERM)
        wait_until(lambda: queue.value("SELECT count(*) FROM task_effects") == len(TEXTS), "all tasks", log)
        assert child not in worker.children()
    effects = queue.rows("SELECT text, pid = %(pid)s FROM task_effects ORDER BY text", pid=child)
    assert effects == [(text, False) for text in TEXTS]

"""An application that shares only the broker with the workers can enqueue: it sends the Celery task
`processing_queue.enqueue`, or calls Flower's REST API. Bad messages do no harm."""

from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tasks.embedded.redis import free_port
from tests.docs.test_recipes import recipe
from tests.support.flow_rows import register_flow
from tests.workers.conftest import Queue
from tests.workers.processes import CeleryProcess, running_worker, wait_until


@pytest.fixture
def second_application(settings_environment: dict[str, str]) -> Iterator[Celery]:
    """An application that shares only the broker with this project."""
    with Celery("shop", broker=settings_environment["CELERY_BROKER_URL"], set_as_current=False) as app:
        yield app


def test_records_arrive_by_message_and_over_http(
    queue: Queue, settings_environment: dict[str, str], second_application: Celery, log: Path
) -> None:
    """One worker serves the whole test, because starting a worker takes a long time."""
    register_flow(queue.database, "letters")
    register_flow(queue.database, "send_invoice")
    set_ingestion(queue, stopped=True)

    def send(*args: Any, task_id: str | None = None, **kwargs: Any) -> None:
        second_application.send_task(
            "processing_queue.enqueue", args, kwargs, queue="control", task_id=task_id
        )

    allowed = {"ENQUEUE_BY_MESSAGE": "letters,send_invoice"}
    with running_worker(
        settings_environment, log, queues="control", concurrency=1, settings=allowed
    ) as worker:
        send("letters", {"n": 0})
        worker.wait_for_log("Retry in")
        assert stored(queue) == []
        set_ingestion(queue, stopped=False)

        send("letters", {"n": 1}, dedup_key="a", priority=2)
        send("letters", {"n": 2}, dedup_key="a")
        for _ in range(2):
            send("letters", {"n": 3}, task_id="delivered twice")
        for refused in (["lettres", {}], ["letters", {"a": "\0"}], ["letters", "x" * 70_000], [None, {}]):
            send(*refused)
        send("letters", {}, scheduled_at="tomorrow")
        send("letters", unknown=1)
        over_http(settings_environment, log)
        wait_until(lambda: len(stored(queue)) == 4, "four records", worker.log)
    assert stored(queue) == [({"n": 0}, 5), ({"n": 1}, 2), ({"n": 3}, 5), ({"order": 18}, 5)]
    text = log.read_text()
    for problem in (
        *("does not name the flow 'lettres'", "does not name the flow None"),
        *("NUL", "the limit is 65536", "like 2030-01-31"),
    ):
        assert problem in text


def stored(queue: Queue) -> list[tuple[Any, ...]]:
    return queue.rows("SELECT payload, priority FROM processing_queue ORDER BY payload")


def set_ingestion(queue: Queue, *, stopped: bool) -> None:
    with queue.database.transaction() as cursor:
        cursor.execute("UPDATE flows SET ingestion_stopped_at = CASE WHEN %s THEN now() END", (stopped,))


def over_http(environment: dict[str, str], log: Path) -> None:
    """Enqueues with the recipe from the documentation."""
    port = free_port(5600)
    flower = CeleryProcess(
        ["flower", "--address=127.0.0.1", f"--port={port}"],
        environment | {"FLOWER_BASIC_AUTH": "shop:secret"},
        log.with_name("flower.log"),
    )
    try:
        wait_until(lambda: status(port, "GET", "/healthcheck") == 200, "Flower", flower.log)
        assert status(port, "POST", "/api/task/async-apply/processing_queue.enqueue", "{}") == 401
        recipe("http", flower_url=f"http://127.0.0.1:{port}", user="shop", password="secret")
    finally:
        flower.kill()


def status(port: int, method: str, path: str, body: str = "") -> int:
    """The HTTP status of the answer, or 0 without an answer."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        try:
            connection.request(method, path, body)
            return connection.getresponse().status
        except OSError:
            return 0

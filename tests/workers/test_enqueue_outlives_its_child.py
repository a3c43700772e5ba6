"""If a child dies while it enqueues the record of a message, the broker delivers the message again. A message that
kills each child is dropped after its third try."""

from pathlib import Path

import redis
from celery import Celery

from tasks.celery_hardening.quarantine import news
from tests.support.flow_rows import register_flow
from tests.workers.conftest import Queue
from tests.workers.processes import running_worker, wait_until

DEATHS = ({"n": 1, "killed": 2}, {"n": 2, "killed": 99}, {"n": 3, "replaced": 4}, {"n": 4})
TRIES = {1: 3, 2: 3, 3: 5, 4: 1}


def test_a_message_is_lost_only_if_it_kills_three_children(
    queue: Queue, settings_environment: dict[str, str], redis_client: redis.Redis, log: Path
) -> None:
    register_flow(queue.database, "letters")
    settings = {"ENQUEUE_BY_MESSAGE": "letters", "FLOW_MODULES": "tests.workers.flows_with_deadly_messages"}
    with (
        running_worker(settings_environment, log, queues="control", concurrency=1, settings=settings),
        Celery("shop", broker=settings_environment["CELERY_BROKER_URL"], set_as_current=False) as app,
    ):
        for payload in DEATHS:
            app.send_task("processing_queue.enqueue", ["letters", payload], queue="control")
        all_tries = sum(TRIES.values())
        wait_until(lambda: queue.value("SELECT count(*) FROM effects") >= all_tries, "all tries", log, 90)
        wait_until(lambda: not redis_client.exists("control", "unacked"), "the end of all messages", log)
    numbers = queue.rows("SELECT (payload ->> 'n')::int FROM processing_queue ORDER BY 1")
    tries = dict(queue.rows("SELECT record_id::int, count(*)::int FROM effects GROUP BY 1"))
    [note] = news(redis_client)
    assert numbers == [(1,), (3,), (4,)]
    assert tries == TRIES
    assert (note.queue, note.why) == ("control", "it ended 3 processes that worked on it")

"""Pool children that are spawned instead of forked know their worker, its Celery queues and their predecessors."""

import os
import signal
from pathlib import Path

import celery
import pytest

from tests.workers.conftest import Queue
from tests.workers.processes import IN_HAND, running_worker, wait_until

pytestmark = pytest.mark.skipif(
    (celery.VERSION.major, celery.VERSION.minor) < (5, 7), reason="Celery has the option from 5.7 on"
)
SPAWN = ("--pool-start-method=spawn",)
SETTINGS = {"IDLE_POLL_SECONDS": "0.3"}


def test_spawned_children_are_of_one_worker_and_serve_its_queues(
    queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    with running_worker(settings_environment, log, queues="flows,slow", settings=SETTINGS, options=SPAWN):
        wait_until(lambda: queue.value("SELECT count(*) FROM worker_processes") == 2, "both children", log)
        workers = queue.rows("SELECT DISTINCT worker_id, celery_queues FROM worker_processes")
        queue.insert("sleepy", 5, '{"seconds": 0}')
        wait_until(lambda: queue.counts() == {"completed": 5}, "all processed", log)
    assert [celery_queues for _, celery_queues in workers] == [["flows", "slow"]]


def test_the_successor_of_a_killed_child_finds_its_record_in_the_shared_slot(
    queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    with running_worker(settings_environment, log, concurrency=1, settings=SETTINGS, options=SPAWN) as worker:
        queue.insert("sleepy", 5, '{"seconds": 30}')
        wait_until(lambda: queue.rows(IN_HAND) != [], "a handler in hand", log)
        queue.rows("UPDATE processing_queue SET payload = '{\"seconds\": 0}' RETURNING id")
        os.kill(worker.children()[0], signal.SIGKILL)
        wait_until(lambda: queue.counts() == {"completed": 5}, "all processed", log)
    assert "died while it worked on record" in log.read_text()
    strikes = queue.rows("SELECT crash_strikes, count(*) FROM processing_queue GROUP BY 1 ORDER BY 1")
    assert strikes == [(0, 4), (1, 1)]


def test_what_a_spawned_child_has_loaded_is_not_collected_again(
    queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    flows = "tests.workers.flows_that_list_imports"
    with running_worker(settings_environment, log, flows=flows, settings=SETTINGS, options=SPAWN):
        queue.insert("counts_frozen_objects", 1)
        wait_until(lambda: queue.counts() == {"completed": 1}, "processed", log)
    counted = queue.value("SELECT result FROM processing_queue WHERE flow_name = 'counts_frozen_objects'")
    assert counted > 20_000

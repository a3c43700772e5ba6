"""If Django has a pool of connections, a child of a worker keeps the pool open between its tasks. All threads of a
process share the pool. So if one thread closed the pool before a task, a task of another thread would fail."""

from pathlib import Path

import celery
import pytest

from queue_store.database.manager import DatabaseManager
from tests.workers.conftest import Queue
from tests.workers.processes import START_OPTIONS, running_worker, wait_until

MODULE = (
    "tests.durable_tasks.shop_with_pool"  # this process must not import it: it sets a variable for Celery
)
REGISTERED = "SELECT count(*) FROM worker_processes WHERE 'shop.session' = ANY(flow_names)"
SESSIONS = "SELECT DISTINCT result FROM processing_queue WHERE flow_name = 'shop.session'"

pytest.importorskip("psycopg_pool")


@pytest.mark.skipif(celery.__version__ == "5.6.0", reason="this version always closes the pool around a task")
@pytest.mark.parametrize("named_by", ["the module", "the environment"])
def test_all_tasks_of_a_child_use_the_same_pool(
    named_by: str,
    database: DatabaseManager,
    clean_database_url: str,
    settings_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """If the environment names the settings, the application of our worker has a Django fixup, too."""
    queue, log = Queue(database), tmp_path / "worker.log"
    environment = settings_environment | (
        {"DJANGO_SETTINGS_MODULE": "tests.durable_tasks.django_settings_with_pool"}
        if named_by == "the environment"
        else {}
    )
    settings = {"IDLE_POLL_SECONDS": "0.3"}
    with running_worker(
        environment, log, concurrency=1, flows=MODULE, settings=settings, options=START_OPTIONS
    ):
        wait_until(lambda: queue.value(REGISTERED) == 1, "the child", log)
        for ended in (1, 2, 3):
            queue.insert("shop.session", 1)
            wait_until(lambda n=ended: queue.counts() == {"completed": n}, "the task", log)
    assert len(queue.rows(SESSIONS)) == 1

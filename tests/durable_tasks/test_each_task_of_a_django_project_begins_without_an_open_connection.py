"""In a worker, each task of a Django project begins without an open connection, as in a worker of plain Celery. The
project's own module names its settings, so the application of our worker does not know that there is Django.

From Celery 5.7 on, the Django fixup of an application ignores the workers of other applications. A spawned child gets
no fixup from Celery.
"""

from collections.abc import Iterator
from pathlib import Path

import celery
import psycopg
import pytest

from queue_store.database.manager import DatabaseManager
from tests.workers.conftest import Queue
from tests.workers.processes import START_OPTIONS, running_worker, wait_until

MODULE = (
    "tests.durable_tasks.shop_with_django"  # this process must not import it: it sets a variable for Celery
)
REGISTERED = "SELECT count(*) FROM worker_processes WHERE 'shop.insert' = ANY(flow_names)"
RESULTS = "SELECT DISTINCT result FROM processing_queue WHERE flow_name = 'shop.is_connected'"
SPAWN = pytest.param(
    ("--pool-start-method=spawn",),
    marks=pytest.mark.skipif(
        (celery.VERSION.major, celery.VERSION.minor) < (5, 7), reason="Celery has the option from 5.7 on"
    ),
)


@pytest.fixture
def owner(clean_database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(clean_database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE orders (number bigint)")
        yield connection
        connection.execute("DROP TABLE orders")


@pytest.mark.parametrize("options", [START_OPTIONS, SPAWN])
def test_a_transaction_that_a_task_leaves_open_holds_no_rows_of_later_tasks(
    options: tuple[str, ...],
    database: DatabaseManager,
    owner: psycopg.Connection,
    settings_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    queue, log = Queue(database), tmp_path / "worker.log"
    settings = {"IDLE_POLL_SECONDS": "0.3"}
    with running_worker(
        settings_environment, log, concurrency=1, flows=MODULE, settings=settings, options=options
    ):
        wait_until(lambda: queue.value(REGISTERED) == 1, "the child", log)
        for name, ended in (("shop.leave_open", 1), ("shop.insert", 3), ("shop.is_connected", 5)):
            queue.insert(name, ended - sum(queue.counts().values()))
            wait_until(lambda n=ended: queue.counts() == {"completed": n}, name, log)
        numbers = owner.execute("SELECT number FROM orders").fetchall()
    assert numbers == [(1,), (1,)]
    assert queue.rows(RESULTS) == [(False,)]

"""A worker imports what its flows need and no more: each package costs CPU at every start, and memory in each child."""

from pathlib import Path

from tests.workers.conftest import Queue
from tests.workers.processes import running_worker, wait_until

# Flower is not listed, because `celery` itself imports Flower to get Flower's command.
NOT_NEEDED = {
    "alembic",
    "apprise",
    "jinja2",
    "mako",
    "processing_queue.health",
    "processing_queue.report",
    "queue_store.alerting",
    "queue_store.maintenance",
    "queue_store.readings",
    "rich",
    "sqlalchemy",
}
IMPORTS = "SELECT result FROM processing_queue WHERE flow_name = %(flow_name)s"


def test_a_worker_without_a_handler_that_needs_it_imports_no_sqlalchemy(
    queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    """Some packages are needed only for reports, pages, migrations, alerts or the schedule. The worker imports none of
    these. The flows report what their pool child has imported."""
    flows = "tests.workers.flows_that_list_imports"
    names = ("lists_imports", "lists_imports_in_a_transaction")
    settings = {"IDLE_POLL_SECONDS": "0.3"}
    queues = "flows,control"
    with running_worker(settings_environment, log, queues=queues, flows=flows, settings=settings):
        for name in names:
            queue.insert(name, 1)
        wait_until(lambda: queue.counts() == {"completed": 2}, "both processed", log)
    for name in names:
        imported = set(queue.value(IMPORTS, flow_name=name))
        assert "psycopg" in imported
        assert imported & NOT_NEEDED == set()


def test_what_a_worker_has_loaded_is_not_collected_again(
    queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    """Without `gc.freeze()`, each full garbage collection would look at all objects that were loaded at the start."""
    settings = {"IDLE_POLL_SECONDS": "0.3"}
    flows = "tests.workers.flows_that_list_imports"
    with running_worker(settings_environment, log, flows=flows, settings=settings):
        queue.insert("counts_frozen_objects", 1)
        wait_until(lambda: queue.counts() == {"completed": 1}, "processed", log)
    assert queue.value(IMPORTS, flow_name="counts_frozen_objects") > 20_000

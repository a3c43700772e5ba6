"""Rescue returns ids in order, whatever plan Postgres chooses."""

from collections.abc import Iterator

import pytest

from queue_store.runs.run import Run
from tests.support.servers import connect
from tests.support.store import Store, store_on

# With these statistics, the planner expects hardly any rows, and may read the table in the order of its pages.
BELIEVED_EMPTY = "UPDATE pg_class SET reltuples = 1, relpages = 1000 WHERE oid = 'processing_queue'::regclass"


@pytest.fixture
def unordered(own_database_url: str) -> Iterator[Store]:
    manager = connect(own_database_url)
    with store_on(manager) as store:
        store.add_flow()
        store.execute(BELIEVED_EMPTY)
        yield store
    manager.dispose()


@pytest.fixture
def claimed(unordered: Store) -> Run:
    unordered.enqueue(10)
    run = unordered.run()
    assert len(run.begin()) == 10
    move_to_the_end(unordered)
    return run


def move_to_the_end(store: Store) -> None:
    """Moves the first three records to the end of the table."""
    first = "SELECT id FROM processing_queue ORDER BY id LIMIT 3"
    store.execute(f"UPDATE processing_queue SET updated_at = now() WHERE id IN ({first})")  # noqa: S608


def record_ids(store: Store) -> list[int]:
    return [row[0] for row in store.query("SELECT id FROM processing_queue ORDER BY id")]


@pytest.mark.parametrize("has_run", [True, False])
def test_records_are_given_back_in_order(unordered: Store, claimed: Run, has_run: bool) -> None:
    if has_run:
        unordered.age(claimed)
        assert unordered.rescue.sweep().pending_ids == record_ids(unordered)
    else:
        unordered.execute("DELETE FROM flow_execution_logs")
        assert unordered.rescue.sweep_overdue().pending_ids == record_ids(unordered)

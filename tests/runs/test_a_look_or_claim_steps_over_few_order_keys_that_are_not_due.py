"""The first records of hundreds of thousands of order keys may not be due. A look for work, or a claim, steps over a
bounded number of such keys. Still, every record that can be claimed is found."""

from collections.abc import Iterator

import pytest

from queue_store import flows
from queue_store.database.statements import sql
from queue_store.flows import FlowWithWork, with_work
from queue_store.runs import queue_position
from tests.runs.test_order_keys_at_scale import LOOKS, buffers, enqueue_keyed, own_store, vacuum
from tests.support.store import Store, completed, ids

__all__ = ["own_store"]
KEYS = 3_000
FEW = 10  # steps, and due records for each priority
NOT_DUE = """
INSERT INTO processing_queue (flow_name, order_key, priority, scheduled_at)
SELECT 'sample', to_char(n, '"key "FM0000'), 5, now() + interval '1 day' FROM generate_series(1, %s) n
"""
DUE_BEHIND = """
INSERT INTO processing_queue (flow_name, order_key, priority, scheduled_at)
SELECT 'sample', to_char(n, '"key "FM0000'), 5, now() - interval '2 hours' FROM generate_series(1, %s) n
"""
LOCK_RUN = "SELECT FROM flow_execution_logs WHERE flow_instance_id = %s FOR NO KEY UPDATE NOWAIT"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, store: Store) -> Iterator[None]:
    monkeypatch.setattr(flows, "KEY_LIMIT", FEW)
    monkeypatch.setattr(flows, "COUNT_LIMIT", FEW)
    monkeypatch.setattr(queue_position, "KEY_LIMIT", FEW)
    yield
    store.execute("DELETE FROM processing_queue")
    while_looking(store, 10)  # forgets where the last look stopped


def look(store: Store) -> list[FlowWithWork]:
    with store.database.transaction() as cursor:
        return with_work(cursor)


def while_looking(store: Store, looks: int) -> int | None:
    """Looks until work is found. Returns the number of looks, or None if no look found work."""
    return next((number for number in range(1, looks + 1) if look(store)), None)


@pytest.mark.parametrize("name", ["flows/flows_with_work", "arrows/claim_next_of_each_key"])
def test_it_reads_as_many_keys_as_the_limit_says(own_store: Store, name: str) -> None:
    own_store.execute(NOT_DUE, (KEYS,))
    own_store.enqueue(1, order_key="claimed first")
    vacuum(own_store)
    run = own_store.run()
    run.begin()
    parameters = LOOKS[name](run) | {"key_limit": 100}
    assert buffers(run, name, parameters) < KEYS


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(("looks", "key"), [(1, "key 9999"), (5, "key 0000")])
def test_a_look_finds_a_key_that_it_does_not_reach_at_once_if_few_records_are_due(
    store: Store, looks: int, key: str
) -> None:
    """The fifth look reaches the last key."""
    store.execute(NOT_DUE, (50,))
    assert while_looking(store, looks) is None
    store.enqueue(3, order_key=key, delay=-60)
    (flow,) = look(store)
    assert flow.due_records == 1
    assert flow.waited_seconds >= 60


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("key", ["key 0000", "key 0025x", "key 9999"])
def test_each_look_goes_on_where_the_last_one_stopped(store: Store, key: str) -> None:
    """More records are due than a look reads, and all of them wait for earlier records of their keys."""
    store.execute(NOT_DUE, (50,))
    store.execute(DUE_BEHIND, (50,))
    assert while_looking(store, 7) is None
    store.enqueue(1, order_key=key, delay=-60)
    assert while_looking(store, 50 // FEW + 2)
    assert [flow.due_records for flow in look(store)] == [1], "the next look finds the same work again"


@pytest.mark.usefixtures("few")
def test_a_claim_goes_on_with_the_keys_of_its_batches(store: Store) -> None:
    for number in (1, 2, 3):
        store.enqueue(5, order_key=f"key 002{number}x", delay=-60)
    store.execute(NOT_DUE, (50,))
    run = store.run()
    batch = run.begin()
    run.position.scan_keys_for(float("inf"))
    for _ in range(5):
        assert len(batch) == 3
        _, batch = run.exchange(completed(batch))
    assert batch == []


@pytest.mark.usefixtures("few")
def test_a_claim_finds_another_key_behind_the_limit(store: Store) -> None:
    store.enqueue(1, order_key="key 0000", delay=-60)
    store.execute(NOT_DUE, (50,))
    store.execute(DUE_BEHIND, (50,))
    run = store.run()
    run.write(completed(run.begin()))
    run.position.scan_keys_for(float("inf"))
    found = store.enqueue(1, order_key="key 0045x", delay=-60)
    assert ids(run.claim()) == found


def test_a_claim_that_finds_nothing_does_not_let_the_heartbeat_wait(store: Store) -> None:
    enqueue_keyed(store, keys=3, count=3)
    run = store.run()
    assert len(run.begin()) == 3
    with run.held.transaction() as cursor:
        cursor.execute(sql("runs/plan_once"), run.parameters)
        run.claimer.send(cursor, run.batch_size)
        assert run.claimer.read(cursor) == []
        with store.held().transaction() as other:
            other.execute(LOCK_RUN, (run.flow_instance_id,))

"""A claim reads the first record of each order key, and not the many records that wait for that record. The waiting
records do not keep claims from finding other records."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from queue_store.database.statements import sql
from queue_store.flows import COUNT_LIMIT, KEY_LIMIT, with_work
from queue_store.runs.queue_position import QueuePosition, claim_parameters
from queue_store.runs.run import Run
from tests.support.older_statements import before_one_of_a_key
from tests.support.servers import connect
from tests.support.store import Store, completed, exchange, failed, store_on

BACKLOG = 10_000
BUFFERS_FOR_THE_KEYS = 200  # for twenty keys
ENQUEUE = """
INSERT INTO processing_queue (flow_name, order_key, priority, scheduled_at)
SELECT 'sample', 'key ' || n %% %(keys)s, 5, now() - interval '1 hour' + n * interval '1 microsecond'
FROM generate_series(1, %(count)s) n
"""
HAVE_RUN = """
INSERT INTO processing_queue (flow_name, order_key, priority, status, claim_number, claimed_at, flow_instance_id)
SELECT 'sample', CASE WHEN n %% 2 = 0 THEN 'done ' || n END, 0, 'processing', 1, now(), %(run)s
FROM generate_series(1, %(count)s) n WHERE set_config('processing_queue.restoring', 'on', true) = 'on'
"""


@pytest.fixture
def own_store(own_database_url: str) -> Iterator[Store]:
    manager = connect(own_database_url)
    with store_on(manager, batch_size=100) as store:
        store.add_flow()
        yield store
    manager.dispose()


def enqueue_keyed(store: Store, keys: int, count: int = BACKLOG) -> None:
    store.execute(ENQUEUE, {"keys": keys, "count": count})


def vacuum(store: Store) -> None:
    url = store.database.settings.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) processing_queue")


def buffers(run: Run, statement: str | bytes, parameters: dict[str, Any]) -> int:
    driver = run.held.driver
    text = sql(statement) if isinstance(statement, str) else statement
    try:
        driver.execute(sql("runs/plan_once"), run.parameters)
        rows = driver.execute(b"EXPLAIN (ANALYZE, BUFFERS) " + text, parameters).fetchall()
    finally:
        driver.rollback()
    first = next(row[0] for row in rows if "Buffers: shared" in row[0])
    return sum(int(count) for count in re.findall(r"(?:hit|read)=(\d+)", first))


def heads_parameters(run: Run, batch_size: int = 100) -> dict[str, Any]:
    parameters = claim_parameters("sample", run.flow_instance_id, batch_size)
    return parameters | run.position.key_scan_parameters(is_aging=False)


@pytest.mark.parametrize(("keys", "most"), [(1, 60), (20, 600)])
def test_a_claim_reads_the_heads_and_not_the_backlog(own_store: Store, keys: int, most: int) -> None:
    enqueue_keyed(own_store, keys)
    vacuum(own_store)
    run = own_store.run()
    batch = run.begin()
    assert len(batch) == keys
    assert run.position.uses_key_scan
    run.write(completed(batch))
    assert buffers(run, "arrows/claim_next_of_each_key", heads_parameters(run)) <= most


def test_flows_with_work_reads_the_heads_and_not_the_backlog(own_store: Store) -> None:
    enqueue_keyed(own_store, 20)
    vacuum(own_store)
    run = own_store.run()
    run.begin()
    assert buffers(run, "flows/flows_with_work", LOOKS["flows/flows_with_work"](run)) < BACKLOG / 4


def test_every_key_is_worked_off_in_order_by_two_runs(store: Store) -> None:
    enqueue_keyed(store, keys=7, count=210)
    runs = [store.run(), store.run()]
    batches = [run.begin() for run in runs]
    order: dict[str, list[int]] = {}
    while any(batches):
        for position, run in enumerate(runs):
            for record in batches[position]:
                assert record.order_key is not None
                order.setdefault(record.order_key, []).append(record.id)
            if run.is_registered:
                _, batches[position] = exchange(run, completed(batches[position]))
            else:
                batches[position] = run.begin()
    assert store.statuses() == {"completed": 210}
    assert all(found == sorted(found) for found in order.values())


def test_more_keys_than_a_claim_looks_at_are_all_served(store: Store) -> None:
    enqueue_keyed(store, keys=50, count=150)
    run = store.run(batch_size=10)
    batch = run.begin()
    run.position.scan_keys_for(float("inf"))
    while batch:
        _, batch = exchange(run, completed(batch))
        run.position.scan_keys_for(float("inf"))
    assert store.statuses() == {"completed": 150}


@pytest.mark.parametrize("blocks", [False, True])
def test_a_failed_head_blocks_its_key_by_setting(store: Store, blocks: bool) -> None:
    first, second = store.enqueue(2, order_key="tenant")
    store.execute(
        "UPDATE flows SET declared = jsonb_build_object('failure_blocks_key', %s::boolean)", (blocks,)
    )
    run = store.run()
    batch = run.begin()
    assert [record.id for record in batch] == [first]
    assert run.position.uses_key_scan
    written, batch = exchange(run, failed(batch))
    assert written.failed_ids == [first]
    assert [record.id for record in batch] == ([] if blocks else [second])
    run.release(batch)
    with store.database.transaction() as cursor:
        assert [flow.due_records for flow in with_work(cursor)] == ([] if blocks else [1])


def test_a_flow_whose_records_all_wait_for_a_running_one_has_no_work(store: Store) -> None:
    store.enqueue(3, order_key="tenant")
    store.run().begin()
    with store.database.transaction() as cursor:
        assert with_work(cursor) == []
    store.enqueue(2)
    with store.database.transaction() as cursor:
        assert [flow.due_records for flow in with_work(cursor)] == [2]


def test_records_without_a_key_are_found_behind_the_heads(store: Store) -> None:
    store.enqueue(3, order_key="tenant")
    run = store.run()
    batch = run.begin()
    assert run.position.uses_key_scan
    plain = store.enqueue(2)
    assert [record.id for record in run.claim()] == plain
    run.write(completed(batch))
    assert len(run.claim()) == 1


def test_aging_starts_where_a_record_that_can_be_claimed_waits_longest(store: Store) -> None:
    """The oldest record cannot be claimed, because it waits for a running record of its key. Aging also skips
    suspects."""
    store.enqueue(1, priority=9, order_key="tenant", delay=-9_000)
    holder = store.run()
    holder.begin()
    store.enqueue(1, priority=9, order_key="tenant", delay=-8_000)
    (suspect,) = store.enqueue(1, priority=8, delay=-7_000)
    store.execute("UPDATE processing_queue SET batch_limit = 1 WHERE id = %s", (suspect,))
    (patient,) = store.enqueue(1, priority=7, delay=-3_600)
    store.enqueue(50, priority=0, delay=-60)
    run = store.run(batch_size=5)
    with run.held.transaction() as cursor:
        assert run.claimer.oldest_waiting_level(cursor) == 7
        run.claimer.send(cursor, run.batch_size, is_aging=True)
    run.position.aging_claims = 2
    run.begin()
    store.execute(
        "UPDATE processing_queue SET batch_limit = NULL, status = 'cancelled' WHERE id = %s", (suspect,)
    )
    assert patient in [record.id for record in run.claim()]


def test_aging_among_heads_starts_where_one_waits_longest(store: Store) -> None:
    for number in range(30):
        store.enqueue(2, priority=0, order_key=f"urgent {number}", delay=-60)
    (patient, _) = store.enqueue(2, priority=7, order_key="patient", delay=-3_600)
    run = store.run(batch_size=5)
    run.begin()
    run.position.scan_keys_for(float("inf"))
    run.position.aging_claims = 1_000_000
    assert patient not in [record.id for record in run.claim()]
    run.position.aging_claims = 1
    assert patient in [record.id for record in run.claim()]


def plain_claim(run: Run) -> dict[str, Any]:
    parameters = claim_parameters("sample", run.flow_instance_id, 100)
    return parameters | QueuePosition(0, 1_000).parameters()


LOOKS: dict[str, Callable[[Run], dict[str, Any]]] = {
    "arrows/claim": plain_claim,
    "arrows/claim_next_of_each_key": heads_parameters,
    "arrows/claim_suspects": plain_claim,
    "runs/oldest_waiting_level": plain_claim,
    "flows/flows_with_work": lambda run: {
        "count_limit": COUNT_LIMIT,
        "celery_queues": None,
        "except_flow_name": None,
        "key_limit": KEY_LIMIT,
        "stopped_flow_names": [],
        "stopped_at_keys": [],
    },
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("statistics", ["old", "fresh"])
def test_whether_a_key_runs_is_asked_of_that_key_alone(own_store: Store, look: str, statistics: str) -> None:
    """Thousands of other records, with and without a key, have been completed. An open snapshot keeps the index entries
    of these records."""
    store = own_store
    store.execute("ALTER TABLE processing_queue SET (autovacuum_enabled = off)")
    enqueue_keyed(store, keys=20, count=200)
    run = store.run(batch_size=1)
    assert len(run.begin()) == 1
    store.execute("ANALYZE")
    with store.held().transaction() as snapshot:
        snapshot.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        snapshot.execute("SELECT count(*) FROM flows")
        store.execute(HAVE_RUN, {"count": 8_000, "run": run.flow_instance_id})
        store.execute(
            "UPDATE processing_queue SET status = 'completed', completed_at = claimed_at"
            " WHERE status = 'processing' AND priority = 0"
        )
        if statistics == "fresh":
            store.execute("ANALYZE")
        without = buffers(run, before_one_of_a_key(sql(look)), LOOKS[look](run))
        assert buffers(run, look, LOOKS[look](run)) < without + BUFFERS_FOR_THE_KEYS

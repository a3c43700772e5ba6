"""A record has one owner, and a claim takes only records that may be claimed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from queue_store.database.statements import sql
from queue_store.runs.run import Run
from tests.support.store import Store, completed, exchange, failed, ids, in_background
from tests.support.ways_of_claiming import WAYS, next_of_each_key, suspects


def test_two_claimers_never_share_a_record(store: Store) -> None:
    expected = store.enqueue(2_000)
    runs = [store.run() for _ in range(4)]

    def drain(number: int) -> list[int]:
        run, taken = runs[number], []
        batch = run.begin()
        while batch:
            taken += ids(batch)
            batch = run.claim()
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [record_id for part in pool.map(drain, range(4)) for record_id in part]
    assert sorted(taken) == expected


@pytest.mark.parametrize("way", WAYS)
def test_a_claimer_passes_by_what_another_one_is_claiming(
    store: Store, way: Callable[[Store, int], list[int]]
) -> None:
    expected = way(store, 4)
    run = sending_first(way, store.run())
    run.held.driver.execute("SET lock_timeout = '1s'")
    run.held.driver.commit()
    with store.held().transaction() as cursor:
        cursor.execute("SELECT id FROM processing_queue WHERE id = %s FOR NO KEY UPDATE", expected[:1])
        assert ids(run.begin()) == expected[1:]
    assert ids(run.claim()) == expected[:1]


def sending_first(way: Callable[[Store, int], list[int]], run: Run) -> Run:
    """Makes the run's next claim begin with the statement that `way` tests."""
    if way is next_of_each_key:
        run.position.scan_keys_for(float("inf"))
    if way is suspects:
        run.position.aging_claims = 1
    return run


def test_a_record_that_was_retried_between_look_and_lock_is_not_claimed_before_it_is_due(
    store: Store,
) -> None:
    (record_id,) = store.enqueue(1)
    first, second = store.run(), store.run()
    batch = first.begin()
    first.write(failed(batch, retry_delay_seconds=3600))
    assert second.begin() == []
    assert store.status(record_id) == "pending"


@pytest.mark.parametrize(
    "closing",
    [
        "UPDATE flows SET paused_at = now()",
        "UPDATE queue_control SET processing_stopped_at = now()",
        "UPDATE flow_execution_logs SET state = 'stopping'",
        "UPDATE flow_execution_logs SET state = 'dead', finished_at = now()",
        "UPDATE flow_execution_logs SET state = 'ended', finished_at = now()",
    ],
)
def test_a_run_that_may_not_claim_gets_nothing(store: Store, closing: str) -> None:
    store.enqueue(30)
    store.execute("UPDATE processing_queue SET batch_limit = 5 WHERE id % 2 = 0")
    run = store.run()
    batch = run.begin()
    store.execute(closing)
    assert run.claim() == []
    written, following = exchange(run, completed(batch))
    assert len(written.completed_ids) == len(batch)
    assert following == []


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_is_declared_dead_during_its_claim_claims_nothing_after_it(
    store: Store, way: Callable[[Store, int], list[int]]
) -> None:
    store.enqueue(10)
    run, rescuer = store.run(), store.held()
    run.begin()
    way(store, 20)
    with rescuer.transaction() as cursor:
        cursor.execute(
            "UPDATE flow_execution_logs SET state = 'dead', finished_at = now() WHERE flow_instance_id = %s",
            (run.flow_instance_id,),
        )
        claim = in_background(sending_first(way, run).claim)
        store.wait_until_blocked(run.held)
    assert claim.result(30) == []
    assert store.statuses() == {"processing": 10, "pending": 20}


@pytest.mark.parametrize("way", WAYS)
def test_a_run_is_declared_dead_after_its_claim_and_rescue_sees_what_it_took(
    store: Store, way: Callable[[Store, int], list[int]]
) -> None:
    """The rescuer looked for the run's session before the claim began, so it does not end this session."""
    store.enqueue(10)
    run = store.run()
    run.begin()
    expected = way(store, 4)
    rescuer = store.held()

    def declare_dead() -> None:
        with rescuer.transaction() as cursor:
            death = {"suspect_record_id": None, "error_message": "gone", "lease_seconds": None}
            cursor.execute(sql("liveness/declare_run_dead"), run.parameters | death)

    with run.held.transaction() as cursor:
        assert ids(sending_first(way, run).claimer.claim(cursor, 4)) == expected
        declared = in_background(declare_dead)
        store.wait_until_blocked(rescuer)
    declared.result(30)
    assert set(expected) <= set(store.rescue.sweep().pending_ids)
    assert store.statuses() == {"pending": 14}


@pytest.mark.parametrize("cap", [1, 2])
def test_the_cap_on_runs_is_exact_when_several_begin_at_once(store: Store, cap: int) -> None:
    store.execute("UPDATE flows SET max_runs = %s", (cap,))
    store.enqueue(100)
    runs = [store.run() for _ in range(4)]
    with store.held().transaction() as cursor:
        cursor.execute("SELECT FROM flows FOR UPDATE")
        beginnings = [in_background(run.begin) for run in runs]
        for run in runs:
            store.wait_until_blocked(run.held)
    batches = [beginning.result(30) for beginning in beginnings]
    assert sum(1 for batch in batches if batch) == cap
    assert store.value("SELECT count(*) FROM flow_execution_logs") == cap


def test_one_key_is_worked_on_in_order_and_by_one_run_at_a_time(store: Store) -> None:
    expected = store.enqueue(3, order_key="tenant")
    first, second = store.run(), store.run()
    batch = first.begin()
    assert ids(batch) == expected[:1]
    assert second.begin() == []
    first.write(completed(batch))
    assert ids(second.begin()) == expected[1:2]

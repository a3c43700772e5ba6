"""A run whose heartbeat arrives between the look of rescue and its death is not declared dead."""

from queue_store.liveness import worker_processes
from tests.support.locks import wait_until_blocked
from tests.support.store import Store, in_background


def test_a_heartbeat_that_arrives_during_the_sweep_keeps_the_run_alive(store: Store) -> None:
    store.enqueue(10)
    run = store.run()
    run.begin()
    store.age(run)
    with store.held().transaction() as cursor:
        assert worker_processes.beat_run(cursor, run.flow_instance_id, run.counts) is not None
        rescue = in_background(store.rescue.sweep)
        wait_until_blocked(store.database)
    assert rescue.result(30).dead_run_ids == []
    assert store.statuses() == {"processing": 10}

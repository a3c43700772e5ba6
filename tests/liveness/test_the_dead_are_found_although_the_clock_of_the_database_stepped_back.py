"""If the clock of the database steps back, heartbeats lie in the future. Dead processes are found one lease later, and
living processes are left alone."""

import pytest

from queue_store.alerting.sentinel import is_another_process
from queue_store.liveness import worker_processes
from queue_store.maintenance import maintenance_run
from queue_store.runs.run import Run
from tests.support.store import Store

HOUR_SECONDS = 3_600


def step_back(store: Store, seconds: float) -> None:
    """Moves the heartbeats, instead of the clock."""
    moved = "SET heartbeat_at = heartbeat_at + make_interval(secs => %s)"
    store.execute(f"UPDATE flow_execution_logs {moved}", (seconds,))
    store.execute(f"UPDATE worker_processes {moved}", (seconds,))


def pass_an_hour(store: Store) -> None:
    step_back(store, -HOUR_SECONDS)


@pytest.fixture
def run(store: Store) -> Run:
    store.enqueue(10)
    run = store.run()
    run.begin()
    return run


def test_the_records_of_a_dead_process_are_given_back_one_lease_later(store: Store, run: Run) -> None:
    step_back(store, 10 * HOUR_SECONDS)
    assert store.rescue.sweep().record_count == 0
    pass_an_hour(store)
    rescued = store.rescue.sweep()
    assert rescued.dead_run_ids == [run.flow_instance_id]
    assert rescued.dead_worker_process_ids == [run.worker_process_id]
    assert store.statuses() == {"pending": 10}


def test_a_living_process_is_left_alone(store: Store, run: Run) -> None:
    step_back(store, 10 * HOUR_SECONDS)
    store.rescue.sweep()
    pass_an_hour(store)
    with store.database.transaction() as cursor:
        assert worker_processes.beat_run(cursor, run.flow_instance_id, run.counts) is not None
    store.execute("UPDATE worker_processes SET heartbeat_at = clock_timestamp()")
    rescued = store.rescue.sweep()
    assert (rescued.dead_run_ids, rescued.dead_worker_process_ids) == ([], [])


def test_a_small_step_changes_no_heartbeat(store: Store, run: Run) -> None:
    """Clocks that NTP keeps differ by less than a minute."""
    heartbeats = "SELECT max(heartbeat_at) > now() + interval '25 seconds' FROM flow_execution_logs"
    step_back(store, 30)
    store.rescue.sweep()
    assert store.value(heartbeats) is True


def test_a_sweep_does_not_wait_for_the_locks_of_a_frozen_process(store: Store, run: Run) -> None:
    step_back(store, 10 * HOUR_SECONDS)
    with store.database.transaction() as cursor:
        cursor.execute("SELECT FROM flow_execution_logs FOR SHARE")
        cursor.execute("SELECT FROM worker_processes FOR SHARE")
        assert store.rescue.sweep().record_count == 0


def test_a_dead_sentinel_does_not_count(store: Store, run: Run) -> None:
    with store.database.transaction() as cursor:
        assert worker_processes.take_sentinel_lease(cursor, run.worker_process_id, 60.0)
        assert is_another_process(cursor)
    step_back(store, 10 * HOUR_SECONDS)
    with store.database.transaction() as cursor:
        assert not is_another_process(cursor)


def test_a_dead_maintenance_run_does_not_refuse_the_next_one(store: Store) -> None:
    store.execute(
        "INSERT INTO maintenance_runs (operation, dry_run, actor, heartbeat_at)"
        " VALUES ('purge', false, 'test', now() + interval '10 hours')"
    )
    with maintenance_run.begin(store.database, "purge", dry_run=False, actor="test"):
        assert store.value("SELECT array_agg(state ORDER BY id) FROM maintenance_runs") == [
            "abandoned",
            "running",
        ]

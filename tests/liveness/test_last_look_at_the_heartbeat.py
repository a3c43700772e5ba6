"""If a run's heartbeat arrives while rescue looks at the run, the run is not declared dead."""

from typing import Any

import pytest

from queue_store.database.statements import sql
from queue_store.errors import DatabaseUnavailableError
from queue_store.liveness import worker_processes
from queue_store.runs.sessions import terminate_sessions
from tests.support.locks import wait_until_blocked
from tests.support.store import Store, completed, in_background


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


def test_a_run_whose_own_transaction_held_up_its_heartbeat_loses_its_session_only(
    store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow connection keeps the run's row locked for longer than the lease. The run's heartbeat waits for that
    lock. The heartbeat arrives after rescue has ended the run's session, and before rescue looks at heartbeats for
    the last time."""
    store.enqueue(10)
    run, other = store.run(), store.held()
    records = run.begin()
    store.age(run)

    def beat() -> object:
        with other.transaction() as cursor:
            return worker_processes.beat_run(cursor, run.flow_instance_id, run.counts)

    def terminate_then_beat(*arguments: Any) -> list[int]:
        ended = terminate_sessions(*arguments)
        assert heartbeat.result(30) is not None
        return ended

    monkeypatch.setattr("queue_store.liveness.rescue.terminate_sessions", terminate_then_beat)
    with pytest.raises(DatabaseUnavailableError), run.held.transaction() as cursor:  # noqa: PT012
        cursor.execute(sql("runs/plan_once"), run.parameters)
        [[backend_pid]] = cursor.execute("SELECT pg_backend_pid()").fetchall()
        cursor.execute(
            "SELECT FROM flow_execution_logs WHERE flow_instance_id = %s FOR SHARE", [run.flow_instance_id]
        )
        heartbeat = in_background(beat)
        wait_until_blocked(store.database)
        rescued = store.rescue.sweep()
        cursor.execute("SELECT")
    assert rescued.dead_run_ids == []
    assert f"session {backend_pid} was ended" in caplog.text
    assert run.write_again(completed(records)).refused_ids == []
    assert store.statuses() == {"completed": 10}

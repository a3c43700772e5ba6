"""If the database refuses a flow of a process, the process still says that it and its run are alive, and logs the
error."""

from dataclasses import replace
from uuid import UUID

import pytest

from queue_store.runs.run import Run, RunOptions
from tasks.background.heartbeat import Heartbeat
from tasks.worker.current_run import CurrentRun
from tests.support.flow_runs import Worker
from tests.support.store import Store

AGE = "UPDATE {} SET heartbeat_at = now() - interval '1 hour' WHERE {} = %s"
IS_ALIVE = "SELECT state, heartbeat_at > now() - interval '1 minute' FROM {} WHERE {} = %s"


def test_the_process_and_its_run_are_alive_although_a_flow_is_refused(
    store: Store, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    services = worker.services
    kept = worker.declare(lambda payload: None, name="kept")
    worker.enqueue("kept", [1])
    services.flows["refused"] = replace(kept, name="refused", queue="\x00")
    services.renew()
    heartbeat = Heartbeat(services)
    heartbeat.beat()
    own_id = services.process.worker_process_id
    with Run(services.database, RunOptions("kept", 10, 0), services.position("kept"), own_id) as run:
        run.begin()
        services.current_run = CurrentRun(run)
        rows = [("worker_processes", "worker_process_id", own_id)]
        rows.append(("flow_execution_logs", "flow_instance_id", UUID(str(run.flow_instance_id))))
        for table, column, value in rows:
            store.execute(AGE.format(table, column), (value,))
        heartbeat.beat()
        found = [store.query(IS_ALIVE.format(table, column), (value,)) for table, column, value in rows]
        services.current_run = None
    assert found == [[("running", True)]] * 2
    assert len([one for one in caplog.records if "the flows could not be registered" in one.message]) == 2


def test_the_flows_are_registered_as_soon_as_the_database_accepts_them(store: Store, worker: Worker) -> None:
    services = worker.services
    kept = worker.declare(lambda payload: None, name="kept")
    store.execute("DELETE FROM flows WHERE flow_name = 'kept'")
    services.flows["refused"] = replace(kept, name="refused", queue="\x00")
    heartbeat = Heartbeat(services)
    heartbeat.beat()
    del services.flows["refused"]
    heartbeat.beat()
    assert store.query("SELECT 1 FROM flows WHERE flow_name = 'kept'") == [(1,)]

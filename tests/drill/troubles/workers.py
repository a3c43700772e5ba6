"""Worker processes die, freeze, are missing, lack resources or have a wrong clock, or a handler hangs."""

import os
import signal
from collections.abc import Iterator

from tests.chaos.clock import SHIM, Clock
from tests.drill.fleet import Fleet
from tests.drill.trouble import HEALED, trouble
from tests.support.flow_rows import register_flow
from tests.support.servers import connect

TWO_CONNECTIONS = {
    "DEVELOPMENT_GLOBAL_RPA_DB_POOL_SIZE": "1",
    "DEVELOPMENT_GLOBAL_RPA_DB_MAX_OVERFLOW": "1",
}
WRITTEN = "The alert lasts an hour. So the drill backdates the death by two hours."


@trouble(
    "all workers are killed while records wait",
    "all_workers_gone",
    passing=["worker_deaths"],
    written="The drill enqueues records that have been due for 2 minutes.",
    keeps_fleet=False,
)
def all_gone(fleet: Fleet) -> Iterator[None]:
    fleet.flows.kill()
    fleet.control.kill()
    fleet.insert("letters", 5, age_seconds=120)
    yield
    fleet.flows = fleet.start_worker("flows", 2)
    fleet.control = fleet.start_worker("control", 1)
    fleet.wait_until_done()
    fleet.wait_for("EXISTS (SELECT FROM worker_processes WHERE state = 'dead')")
    fleet.execute(HEALED)


@trouble("a worker process is killed", "worker_deaths", written=WRITTEN)
def one_killed(fleet: Fleet) -> Iterator[None]:
    os.kill(fleet.flows.children()[0], signal.SIGKILL)
    yield
    fleet.execute(HEALED)


@trouble("a worker process is frozen", "worker_deaths", written=WRITTEN)
def one_frozen(fleet: Fleet) -> Iterator[None]:
    frozen = fleet.flows.children()[0]
    os.kill(frozen, signal.SIGSTOP)
    yield
    os.kill(frozen, signal.SIGCONT)
    fleet.execute(HEALED)


@trouble("a record kills each process that works on it", "worker_deaths", written=WRITTEN)
def poison(fleet: Fleet) -> Iterator[None]:
    fleet.insert("deadly", 1)
    fleet.wait_for("EXISTS (SELECT FROM processing_queue WHERE status = 'failed')")
    yield
    fleet.execute(HEALED)


@trouble(
    "no worker has a flow that has records",
    "flow_not_served",
    says="parcels: 5 due records",
    written="The drill enqueues records that have been due for 70 s.",
    is_quick=True,
)
def not_served(fleet: Fleet) -> Iterator[None]:
    manager = connect(fleet.admin_url)
    register_flow(manager, "parcels", "slow")
    manager.dispose()
    fleet.insert("parcels", 5, age_seconds=70)
    yield
    fleet.queuectl("cancel", "--flow", "parcels", "--yes")
    fleet.execute("DELETE FROM flows WHERE flow_name = 'parcels'")


@trouble(
    "handlers use up the processors",
    "busy_processors",
    written="The reading is an average over half a minute. So the drill writes an earlier average of 75 %, and a "
    "processor count of 1.",
)
def busy(fleet: Fleet) -> Iterator[None]:
    fleet.execute(
        "UPDATE flows SET batch_size_override = 1",
        "UPDATE worker_processes SET processor_count = 1, cpu_percent = 75",
    )
    fleet.insert("busy", 2, seconds=15)
    yield
    fleet.wait_until_done()
    fleet.execute("UPDATE flows SET batch_size_override = NULL")
    fleet.execute(
        "UPDATE worker_processes SET processor_count = %s, cpu_percent = 0", parameters=(os.cpu_count(),)
    )


@trouble(
    "a container has too little memory",
    "full_memory",
    written="The drill writes a memory limit of 110 % of the memory in use.",
)
def full(fleet: Fleet) -> Iterator[None]:
    fleet.wait_for("(SELECT bool_and(memory_bytes > 0) FROM worker_processes WHERE state = 'running')")
    limit = "UPDATE worker_processes SET memory_limit_bytes = {} WHERE state = 'running'"
    fleet.execute(limit.format("3.3 * memory_bytes"))
    yield
    fleet.execute(limit.format(64 << 30))


@trouble(
    "the pools are too small for what the processes do",
    "pool_utilization",
    passing=["worker_deaths"],
    keeps_fleet=False,
    written="Each process can open two connections at most. A process that gets no connection for its heartbeat counts "
    "as dead. So the drill backdates these deaths by two hours.",
)
def small_pools(fleet: Fleet) -> Iterator[None]:
    fleet.flows.terminate()
    fleet.control.terminate()
    fleet.flows = fleet.start_worker("flows", 6, **TWO_CONNECTIONS)
    fleet.control = fleet.start_worker("control", 1, **TWO_CONNECTIONS)
    fleet.execute("UPDATE flows SET batch_size_override = 1")
    fleet.insert("letters", 6, seconds=20)
    yield
    fleet.queuectl("cancel", "--flow", "letters", "--yes")
    fleet.wait_until_done()
    fleet.flows.terminate()
    fleet.execute(HEALED)


@trouble("the clock of a worker's host is wrong", "wrong_clock", says="90 s ahead", keeps_fleet=False)
def wrong_clock(fleet: Fleet) -> Iterator[None]:
    clock = Clock(fleet.servers.directory / "clock")
    fleet.flows.terminate()
    fleet.flows = fleet.start_worker("flows", 2, CHAOS_CLOCK=str(clock.path), PYTHONPATH=str(SHIM))
    fleet.flows.wait_for_log(" ready.")
    clock.step(90)
    yield
    clock.step(0)


@trouble(
    "a handler hangs",
    "hung_handlers",
    says="queuectl end",
    settings={"ALERT_THRESHOLDS": '{"hung_handler_seconds": 20}'},
    written="The drill lowers the alert's threshold from 60 s to 20 s. The handler usually takes milliseconds.",
    keeps_fleet=False,
)
def hung(fleet: Fleet) -> Iterator[None]:
    fleet.insert("letters", 100)
    fleet.wait_until_done()
    fleet.insert("letters", 1, seconds=600)
    yield
    ((record_id,),) = fleet.query("SELECT id FROM processing_queue WHERE status = 'processing'")
    fleet.queuectl("end", str(record_id))
    fleet.wait_for("NOT EXISTS (SELECT FROM processing_queue WHERE status = 'processing')")
    fleet.queuectl("cancel", "--flow", "letters", "--yes")

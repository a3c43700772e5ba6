"""The faults. Each function injects a fault into the processes of the chaos run, and returns the proof that the fault
happened. A function that finds no target returns None. Some faults have to be ended later, for instance by SIGCONT."""

import os
import signal
import time
from contextlib import ExitStack, suppress
from typing import Any

import psutil
import psycopg

from tests.chaos.children import child_in_a_slice
from tests.chaos.fault import InjectedFault, wait_for
from tests.chaos.host_faults import freeze, is_running
from tests.chaos.world import LEASE_SECONDS, QUEUES, World

DEPLOY_SECONDS = 20.0


def kill_child(world: World) -> InjectedFault | None:
    pid = _any_child(world)
    if pid is None:
        return None
    world.mark([pid])
    world.killed_children += 1
    return _kill([pid])


def kill_worker(world: World) -> InjectedFault | None:
    """Kills a worker's main process and its children at once, as when a container is killed. Then starts a new
    worker."""
    number = world.rng.randrange(len(world.workers))
    worker = world.workers[number]
    if worker.popen.poll() is not None:
        return None
    children = world.pool_children(worker)
    world.mark(children)
    world.killed_children += len(children)
    injected = _kill([*children, worker.pid])
    worker.popen.wait(10)
    world.workers[number] = world.new_worker(number)
    return injected


def freeze_child(world: World) -> InjectedFault | None:
    """Freezes a child for longer than the lease. Before the child continues, other runs have taken its records."""
    pid = _any_child(world)
    if pid is None:
        return None
    world.mark([pid])
    return freeze(pid, LEASE_SECONDS * world.rng.uniform(1.3, 2))


def deploy(world: World) -> InjectedFault | None:
    """Sends SIGTERM to a worker, as in a rolling restart. The worker's successor starts at once."""
    number = world.rng.randrange(len(world.workers))
    worker = world.workers[number]
    if worker.popen.poll() is not None:
        return None
    world.mark(world.pool_children(worker))
    worker.popen.send_signal(signal.SIGTERM)
    world.leaving.append(worker)
    world.workers[number] = world.new_worker(number)

    def look() -> str | None:
        exit_code = worker.popen.poll()
        worker.kill()
        world.leaving.remove(worker)
        if exit_code is None:
            return f"pid {worker.pid} was asked to end, and was killed after {DEPLOY_SECONDS} s"
        return f"pid {worker.pid} was asked to end, exit code {exit_code}"

    return InjectedFault(None, DEPLOY_SECONDS, look)


def kill_beat(world: World) -> InjectedFault | None:
    number = world.rng.randrange(len(world.beats))
    beat = world.beats[number]
    if not is_running(beat.pid):
        return None
    injected = _kill([beat.pid])
    beat.popen.wait(10)
    world.beats[number] = world.new_beat()
    return injected


def kill_producer(world: World) -> InjectedFault | None:
    alive = [number for number, producer in world.producers.items() if producer.poll() is None]
    if not alive:
        return None
    number = world.rng.choice(alive)
    producer = world.producers[number]
    producer.kill()
    exit_code = producer.wait()
    world.new_producer(number)
    return InjectedFault(f"exit code {exit_code}") if exit_code == -signal.SIGKILL else None


def terminate_backend(world: World) -> InjectedFault | None:
    rows = world.query(
        "SELECT pid, pg_terminate_backend(pid, 2000) FROM ("
        " SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        " ORDER BY state <> 'idle' DESC, random() LIMIT 1) victim"
    )
    world.ended_by_faults.update(pid for pid, _ in rows)
    return InjectedFault(f"backend {rows[0][0]} ended") if rows and rows[0][1] else None


def restart_postgres(world: World) -> InjectedFault | None:
    """Sends SIGQUIT: the server stops immediately and without a checkpoint, so it recovers from the write-ahead
    log."""
    before = world.query("SELECT pg_postmaster_start_time()")
    world.mark()
    world.postgres_crashed_at.append(time.time())
    world.postgres.process.send_signal(signal.SIGQUIT)
    world.postgres.process.wait(20)
    world.postgres.start()
    after = world.query_again("SELECT pg_postmaster_start_time()")
    return InjectedFault(f"started {after[0][0]}") if before != after else None


def crash_postgres(world: World) -> InjectedFault | None:
    """Kills one session with SIGKILL. Postgres then ends all other sessions and recovers."""
    recovered_at = "SELECT backend_start FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
    before = world.query(recovered_at)
    rows = world.query(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1"
    )
    if not rows:
        return None
    world.mark()
    world.postgres_crashed_at.append(time.time())
    os.kill(rows[0][0], signal.SIGKILL)
    wait_for(lambda: world.query_again(recovered_at) != before)
    return InjectedFault(f"session {rows[0][0]} crashed")


def exhaust_connections(world: World) -> InjectedFault | None:
    world.mark()
    stack = ExitStack()
    with suppress(psycopg.OperationalError):
        for _ in range(100):
            stack.enter_context(psycopg.connect(world.postgres.url(), autocommit=True))
        stack.close()
        return None

    def free() -> str:
        stack.close()
        return "a connection was refused: there were too many"

    return InjectedFault(None, world.rng.uniform(0.5, 1.5), free)


def cut_connections(world: World) -> InjectedFault | None:
    world.mark(world.proxied_children())
    count = world.proxy.cut()
    return InjectedFault(f"{count} connections reset") if count else None


def stall_connections(world: World) -> InjectedFault | None:
    """Makes connections half-open: the proxy forwards no data, and neither end notices this."""
    world.mark(world.proxied_children())
    before = world.proxy.held_count
    world.proxy.stall()

    def flow() -> str | None:
        world.proxy.flow()
        held = world.proxy.held_count - before
        return f"{held} messages were held back" if held else None

    return InjectedFault(None, LEASE_SECONDS * world.rng.uniform(0.5, 2), flow)


def delay_connections(world: World) -> InjectedFault | None:
    before = world.proxy.delayed_count
    world.proxy.delay(world.rng.uniform(0.01, 0.1))

    def hurry() -> str | None:
        world.proxy.delay(0)
        delayed = world.proxy.delayed_count - before
        return f"{delayed} messages were late" if delayed else None

    return InjectedFault(None, world.rng.uniform(0.5, 2), hurry)


def restart_redis(world: World) -> InjectedFault | None:
    before = world.broker.info("server")["run_id"]  # type: ignore[index]
    world.redis.process.kill()
    world.redis.process.wait(10)
    time.sleep(world.rng.uniform(0, 0.5))
    world.redis.start()
    after = world.broker.info("server")["run_id"]  # type: ignore[index]
    return InjectedFault(f"run id {after}") if before != after else None


def flush_redis(world: World) -> InjectedFault | None:
    return InjectedFault("FLUSHALL") if world.broker.flushall() else None


def freeze_redis(world: World) -> InjectedFault | None:
    return freeze(world.redis.process.pid, world.rng.uniform(0.2, 1))


def drop_redis_clients(world: World) -> InjectedFault | None:
    count = world.broker.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    return InjectedFault(f"{count} clients dropped") if count else None


def double_messages(world: World) -> InjectedFault | None:
    """Sends up to 20 hints a second time. These hints wait in the Celery queues now, or waited there during earlier
    calls."""
    broker = world.broker
    messages: list[Any] = [message for queue in QUEUES for message in broker.lrange(queue, 0, -1)]  # type: ignore[union-attr]
    world.replayed = (world.replayed + messages)[-20:]
    for message in world.replayed:
        broker.lpush(QUEUES[0], message)
    return InjectedFault(f"{len(world.replayed)} messages") if world.replayed else None


def _any_child(world: World) -> int | None:
    """Returns the pid of a child, if possible of one with a live run. With `--express`, half of the calls prefer a
    child that works on a slice."""
    if world.is_express and world.rng.random() < 0.5 and (pid := child_in_a_slice(world)):
        return pid
    children = [pid for worker in world.workers for pid in world.pool_children(worker)]
    busy = world.query(
        "SELECT w.pid FROM worker_processes w JOIN flow_execution_logs r USING (worker_process_id)"
        " WHERE r.state = 'running' AND w.state = 'running'"
    )
    candidates = [pid for pid in children if (pid,) in busy] or children
    candidates = [pid for pid in candidates if is_running(pid)]
    return world.rng.choice(candidates) if candidates else None


def _kill(pids: list[int]) -> InjectedFault:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(_is_alive(pid) for pid in pids))
    return InjectedFault(f"pids {pids} gone")


def _is_alive(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False

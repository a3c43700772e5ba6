"""The faults. Each one hurts the world and returns what proves that it happened, or None when there was nothing to
hurt; some leave something to be done later, such as SIGCONT."""

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg
import redis

from tests.chaos.world import LEASE_SECONDS, World


@dataclass(frozen=True)
class Hurt:
    """What proves the fault. `later`: what has to be done after so many seconds."""

    proof: str
    later_seconds: float = 0.0
    later: Callable[[], object] | None = None


Fault = Callable[[World], Hurt | None]


def kill_child(world: World) -> Hurt | None:
    pid = _any_child(world)
    return _kill(world, "kill_child", [pid]) if pid else None


def kill_worker(world: World) -> Hurt | None:
    """The main process and its children at once, as when a container is killed. Started again a second later."""
    number = world.rng.randrange(len(world.workers))
    worker = world.workers[number]
    pids = [*world.pool_children(worker), worker.pid]
    hurt = _kill(world, "kill_worker", pids)
    worker.popen.wait(10)
    world.workers[number] = world.new_worker(number)
    return hurt


def freeze_child(world: World) -> Hurt | None:
    """SIGSTOP for longer than the lease: a zombie that wakes up and finds its records taken."""
    pid = _any_child(world)
    if pid is None:
        return None
    world.track("freeze_child", [pid])
    os.kill(pid, signal.SIGSTOP)
    _wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    return Hurt(f"pid {pid} stopped", LEASE_SECONDS * world.rng.uniform(1.3, 2), lambda: _continue(pid))


def deploy(world: World) -> Hurt | None:
    """SIGTERM, as in a rolling restart; the successor starts at once."""
    number = world.rng.randrange(len(world.workers))
    worker = world.workers[number]
    if worker.popen.poll() is not None:
        return None
    worker.popen.send_signal(signal.SIGTERM)
    world.workers[number] = world.new_worker(number)
    return Hurt(f"SIGTERM to pid {worker.pid}", 20, worker.kill)


def kill_beat(world: World) -> Hurt | None:
    number = world.rng.randrange(len(world.beats))
    beat = world.beats[number]
    hurt = _kill(world, "kill_beat", [beat.pid])
    beat.popen.wait(10)
    world.beats[number] = world.new_beat()
    return hurt


def kill_producer(world: World) -> Hurt | None:
    alive = [number for number, producer in world.producers.items() if producer.poll() is None]
    if not alive:
        return None
    number = world.rng.choice(alive)
    producer = world.producers[number]
    producer.kill()
    exit_code = producer.wait()
    world.new_producer(number)
    return Hurt(f"exit code {exit_code}") if exit_code == -signal.SIGKILL else None


def terminate_backend(world: World) -> Hurt | None:
    rows = world.query(
        "SELECT pid, pg_terminate_backend(pid, 2000) FROM ("
        " SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        " ORDER BY state <> 'idle' DESC, random() LIMIT 1) victim"
    )
    return Hurt(f"backend {rows[0][0]} ended") if rows and rows[0][1] else None


def restart_postgres(world: World) -> Hurt | None:
    """SIGQUIT: immediate, without a checkpoint; recovery from the write-ahead log follows."""
    before = world.query("SELECT pg_postmaster_start_time()")
    world.track("restart_postgres", [pid for worker in world.workers for pid in world.pool_children(worker)])
    world.postgres.process.send_signal(signal.SIGQUIT)
    world.postgres.process.wait(20)
    world.postgres.start()
    after = world.query_again("SELECT pg_postmaster_start_time()")
    return Hurt(f"started {after[0][0]}") if before != after else None


def crash_postgres(world: World) -> Hurt | None:
    """kill -9 of one session: Postgres throws out everybody and recovers."""
    recovered_at = "SELECT backend_start FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
    before = world.query(recovered_at)
    rows = world.query(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1"
    )
    if not rows:
        return None
    os.kill(rows[0][0], signal.SIGKILL)
    _wait_until(lambda: world.query_again(recovered_at) != before)
    return Hurt(f"session {rows[0][0]} crashed")


def exhaust_connections(world: World) -> Hurt | None:
    stack = ExitStack()
    with suppress(psycopg.OperationalError):
        for _ in range(100):
            stack.enter_context(psycopg.connect(world.postgres.url(), autocommit=True))
        stack.close()
        return None
    return Hurt("too many connections", world.rng.uniform(0.5, 1.5), stack.close)


def cut_connections(world: World) -> Hurt | None:
    count = world.proxy.cut()
    return Hurt(f"{count} connections reset") if count else None


def stall_connections(world: World) -> Hurt | None:
    """Half-open: nothing comes through and nobody is told."""
    world.proxy.stall()
    return Hurt("stalled", LEASE_SECONDS * world.rng.uniform(0.5, 2), world.proxy.flow)


def delay_connections(world: World) -> Hurt | None:
    world.proxy.delay(world.rng.uniform(0.01, 0.1))
    return Hurt("delayed", world.rng.uniform(0.5, 2), lambda: world.proxy.delay(0))


def restart_redis(world: World) -> Hurt | None:
    before = world.broker.info("server")["run_id"]  # type: ignore[index]
    world.redis.process.kill()
    world.redis.process.wait(10)
    time.sleep(world.rng.uniform(0, 0.5))
    world.redis.start()
    after = world.broker.info("server")["run_id"]  # type: ignore[index]
    return Hurt(f"run id {after}") if before != after else None


def flush_redis(world: World) -> Hurt | None:
    return Hurt("FLUSHALL") if world.broker.flushall() else None


def freeze_redis(world: World) -> Hurt | None:
    pid = world.redis.process.pid
    os.kill(pid, signal.SIGSTOP)
    return Hurt("Redis stopped", world.rng.uniform(0.2, 1), lambda: _continue(pid))


def drop_redis_clients(world: World) -> Hurt | None:
    count = world.broker.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    return Hurt(f"{count} clients dropped") if count else None


def double_messages(world: World) -> Hurt | None:
    """Every hint that waits is there twice, and old ones are replayed."""
    broker = world.broker
    messages: list[Any] = broker.lrange("flows", 0, -1) + broker.lrange("control", 0, -1)  # type: ignore[operator,assignment]
    world.replayed = (world.replayed + messages)[-20:]
    for message in world.replayed:
        broker.lpush("flows", message)
    return Hurt(f"{len(world.replayed)} messages") if world.replayed else None


SHORT: dict[Fault, int] = {
    terminate_backend: 110,
    kill_child: 20,
    freeze_child: 8,
    kill_worker: 3,
    deploy: 3,
    kill_beat: 3,
    kill_producer: 6,
    restart_postgres: 3,
    crash_postgres: 2,
    exhaust_connections: 2,
    cut_connections: 20,
    stall_connections: 4,
    delay_connections: 6,
    restart_redis: 3,
    flush_redis: 15,
    freeze_redis: 4,
    drop_redis_clients: 20,
    double_messages: 15,
}

LONG: dict[Fault, int] = {
    terminate_backend: 700,
    kill_child: 230,
    freeze_child: 120,
    kill_worker: 35,
    deploy: 25,
    kill_beat: 20,
    kill_producer: 40,
    restart_postgres: 33,
    crash_postgres: 15,
    exhaust_connections: 15,
    cut_connections: 230,
    stall_connections: 30,
    delay_connections: 50,
    restart_redis: 33,
    flush_redis: 150,
    freeze_redis: 40,
    drop_redis_clients: 200,
    double_messages: 150,
}


def schedule(counts: dict[Fault, int], duration_seconds: float, seed: int) -> list[tuple[float, Fault]]:
    """When to do what: the same for the same seed."""
    rng = random.Random(seed)
    faults = [fault for fault, count in counts.items() for _ in range(count)]
    rng.shuffle(faults)
    return sorted(
        ((rng.uniform(0, duration_seconds), fault) for fault in faults), key=lambda planned: planned[0]
    )


def _any_child(world: World) -> int | None:
    """One that works, where there is one."""
    children = [pid for worker in world.workers for pid in world.pool_children(worker)]
    busy = world.query(
        "SELECT w.pid FROM worker_processes w JOIN flow_execution_logs r USING (worker_process_id)"
        " WHERE r.state = 'running' AND w.state = 'running'"
    )
    candidates = [pid for pid in children if (pid,) in busy] or children
    candidates = [pid for pid in candidates if _is_running(pid)]
    return world.rng.choice(candidates) if candidates else None


def _is_running(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    return False


def _kill(world: World, fault: str, pids: list[int]) -> Hurt:
    world.track(fault, pids)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _wait_until(lambda: not any(_is_running(pid) for pid in pids))
    return Hurt(f"pids {pids} gone")


def _continue(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with suppress(psycopg.OperationalError, redis.RedisError, psutil.NoSuchProcess):
            if condition():
                return
        if time.monotonic() > deadline:
            raise AssertionError("the fault did not happen in time")
        time.sleep(0.01)

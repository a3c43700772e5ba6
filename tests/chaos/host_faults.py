"""Faults of a worker's host: frozen processes, and a wrong clock."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

from tests.chaos.fault import InjectedFault, wait_for
from tests.chaos.world import LEASE_SECONDS, World


def freeze_worker(world: World) -> InjectedFault | None:
    """Freezes only the main process of a worker. The worker's children continue to work."""
    return freeze(world.rng.choice(world.workers).pid, LEASE_SECONDS * world.rng.uniform(1.3, 2))


def freeze_beat(world: World) -> InjectedFault | None:
    return freeze(world.rng.choice(world.beats).pid, LEASE_SECONDS * world.rng.uniform(1.3, 2))


def step_clock(world: World) -> InjectedFault | None:
    """Makes the clock of one worker's host jump by up to a day, forwards or backwards. Later the clock jumps back to
    the right time."""
    clock = world.rng.choice(world.clocks)
    step = world.rng.choice([-86_400, -600, -30, 30, 600, 86_400]) * world.rng.uniform(0.5, 1)
    clock.step(step)

    def home() -> str | None:
        seen = clock.seen == step
        clock.step(0)
        return f"a worker's clock was wrong by {step:.0f} s" if seen else None

    return InjectedFault(None, world.rng.uniform(1, 4), home)


def freeze(pid: int, seconds: float) -> InjectedFault | None:
    """Sends SIGSTOP. The fault counts only if the process is still stopped after `seconds`."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        created_at = psutil.Process(pid).create_time()
        if not is_running(pid):
            return None
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: is_stopped(pid, created_at), 2)
        return InjectedFault(None, seconds, _thaw(pid, created_at))
    return None


def _thaw(pid: int, created_at: float) -> Callable[[], str | None]:
    stopped_at = time.monotonic()

    def thaw() -> str | None:
        stood = is_stopped(pid, created_at)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        return f"pid {pid} was stopped for {time.monotonic() - stopped_at:.1f} s" if stood else None

    return thaw


def is_stopped(pid: int, created_at: float) -> bool:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return process.create_time() == created_at and process.status() == psutil.STATUS_STOPPED
    return False


def is_running(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    return False

"""Defines a fault, and helpers that the faults share."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import psycopg
import redis

if TYPE_CHECKING:
    from tests.chaos.world import World


@dataclass(frozen=True)
class InjectedFault:
    """`proof`: what proves that the fault happened. If `later` is given, it is called after `later_seconds`.
    `later` returns the proof, or None if the fault did not happen."""

    proof: str | None
    later_seconds: float = 0.0
    later: Callable[[], str | None] | None = None


Fault = Callable[["World"], InjectedFault | None]


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with suppress(psycopg.OperationalError, redis.RedisError, psutil.NoSuchProcess):
            if condition():
                return
        if time.monotonic() > deadline:
            raise AssertionError("the fault did not happen in time")
        time.sleep(0.01)

"""A message can only wake a worker or, where ENQUEUE_BY_MESSAGE allows it, enqueue a record. Anybody who can write to
the broker can name any task with any arguments. So in a worker, a scheduled task runs only for an occurrence. An
occurrence is a row in Postgres that says that the task is due."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum


class Place(Enum):
    """Where this code runs. ELSEWHERE: a command, a Python prompt, beat or Flower."""

    ELSEWHERE = "elsewhere"
    MAIN_PROCESS = "the main process of a worker"
    POOL_CHILD = "a pool child"


_place = Place.ELSEWHERE
_occurrence: ContextVar[bool] = ContextVar("occurrence", default=False)


def enter(place: Place) -> None:
    """Remember where this code runs. The main process of a worker calls this function first, and each pool child calls
    it again."""
    global _place  # noqa: PLW0603  (one per process, by nature)
    _place = place


@contextmanager
def for_an_occurrence() -> Generator[None]:
    """Code that is called within this context may change records, because it runs for an occurrence that was taken
    in Postgres."""
    token = _occurrence.set(True)
    try:
        yield
    finally:
        _occurrence.reset(token)


def may_wake() -> bool:
    """Whether a message may start a task here. False in the main process of a worker. There, Celery itself calls any
    task that a message names as an errback (a task to call after an error)."""
    return _place is not Place.MAIN_PROCESS


def may_act() -> bool:
    """Whether a scheduled task may run here. In a worker, such a task runs only for an occurrence. Outside of a worker,
    such a task always runs, because no message can start it."""
    return _place is Place.ELSEWHERE or _occurrence.get()

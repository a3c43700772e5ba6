"""What is told of each attempt beside its outcome: fields in log lines, and spans. Nothing of it is on by default,
and what is off costs nothing."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from queue_store.record import Record

Observer = Callable[[Record], AbstractContextManager[None]]
_observers: list[Observer] = []


def observe_with(observer: Observer) -> None:
    """From now on, for the runs that begin: each attempt happens inside of what `observer` returns."""
    if observer not in _observers:
        _observers.append(observer)


def stop_observing_with(observer: Observer) -> None:
    _observers.remove(observer)


def observer() -> Observer | None:
    """None: nobody observes."""
    return _all_observers if _observers else None


@contextmanager
def _all_observers(record: Record) -> Generator[None]:
    with ExitStack() as stack:
        for observe in _observers:
            stack.enter_context(observe(record))
        yield

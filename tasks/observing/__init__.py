"""Adds information about runs and attempts to logs and traces: fields in log lines, and spans. Fields and spans are off
by default, and cost nothing while they are off."""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol

from queue_store.records.record import Record
from queue_store.runs.run import Run


class Observer(Protocol):
    """Each method returns a context manager, which is entered before the observed step and left after the step."""

    def run(self, run: Run, trace_context: str | None) -> AbstractContextManager[None]:
        """Observes a run that has claimed something. `trace_context`: the trace context of the hint that started the
        run."""
        ...

    def attempt(self, record: Record) -> AbstractContextManager[None]: ...

    def batch(self, records: Sequence[Record]) -> AbstractContextManager[None]:
        """Observes one call of a batch handler."""
        ...


_observers: list[Observer] = []


def observe_with(observer: Observer) -> None:
    """Observe all runs that begin from now on."""
    if observer not in _observers:
        _observers.append(observer)


def stop_observing_with(observer: Observer) -> None:
    _observers.remove(observer)


def observer() -> Observer | None:
    """Returns one observer that calls all registered observers. None if there are none."""
    return _AllObservers() if _observers else None


class _AllObservers:
    def run(self, run: Run, trace_context: str | None) -> AbstractContextManager[None]:
        return _all(lambda one: one.run(run, trace_context))

    def attempt(self, record: Record) -> AbstractContextManager[None]:
        return _all(lambda one: one.attempt(record))

    def batch(self, records: Sequence[Record]) -> AbstractContextManager[None]:
        return _all(lambda one: one.batch(records))


@contextmanager
def _all(observe: Callable[[Observer], AbstractContextManager[None]]) -> Generator[None]:
    with ExitStack() as stack:
        for one in _observers:
            stack.enter_context(observe(one))
        yield

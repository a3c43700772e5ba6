"""Runs the whole system on one machine: embedded servers, workers, beat and Flower, each with processes of its own."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from .errors import EmbeddedServerError
from .servers import EmbeddedServers
from .service import Service
from .stop_signals import StopSignals

READY_BOUND_SECONDS = 60.0
WATCH_PERIOD_SECONDS = 0.2


class Supervisor:
    """Call `start` in the main thread, because on Linux the children end when the thread that started them ends."""

    def __init__(self, servers: EmbeddedServers, signals: StopSignals, report: Callable[[str], None]) -> None:
        self._servers = servers
        self._signals = signals
        self._services: list[Service] = []
        self._report = report

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, services: Iterable[Service]) -> None:
        for service in services:
            self._services.append(service)
            service.start()

    def everything_is_up(self) -> None:
        """From now on, every service that ends is started again, however often."""
        for service in self._services:
            service.has_been_up = True

    def watch(self) -> None:
        """Check every server and service once, and restart those that ended. Raises EmbeddedServerError if one of
        them does not stay up, and StopRequested if a signal has asked to stop."""
        self._signals.raise_if_arrived()
        happened = [*self._servers.restart_if_ended()]
        happened += [event for service in self._services if (event := service.restart_if_ended())]
        for event in happened:
            self._report(event)

    def wait_until(self, is_true: Callable[[], bool], what: str) -> None:
        """Watch the services until `is_true()` is true. Raises EmbeddedServerError after a minute."""
        deadline = time.monotonic() + READY_BOUND_SECONDS
        while not is_true():
            if time.monotonic() > deadline:
                logs = ", ".join(str(service.log) for service in self._services)
                raise EmbeddedServerError(
                    f"{what} did not happen in {READY_BOUND_SECONDS:.0f} s. See {logs}."
                )
            self.watch()
            time.sleep(WATCH_PERIOD_SECONDS)

    def stop(self) -> None:
        """Stop all services together, then the servers. Without the servers, the services could not stop
        properly."""
        for service in self._services:
            service.ask_to_stop()
        for service in self._services:
            if not service.wait_until_stopped():
                self._report(f"{service.name} did not stop on its own and was killed")
        self._servers.stop()


def answers_http(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own Flower
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False

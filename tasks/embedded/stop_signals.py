"""Ctrl-C, SIGTERM and a closed terminal stop `queuectl up`."""

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(KeyboardInterrupt):
    """Raised at Ctrl-C, at SIGTERM or when the terminal is closed. If the exception interrupts a statement, psycopg
    cancels the statement, so that the connection can still be used. For other exceptions, psycopg does not do so."""


class StopSignals:
    """The first signal raises StopRequested in the main thread. Later signals, and signals after `begin_stop`, do
    nothing."""

    def __init__(self) -> None:
        self.have_arrived = False

    @contextmanager
    def heeded(self) -> Generator[None]:
        # An ignored signal, such as SIGHUP under nohup, stays ignored.
        numbers = [number for number in NUMBERS if signal.getsignal(number) is not signal.SIG_IGN]

        def stop(number: int, frame: FrameType | None) -> None:
            if not self.have_arrived:
                self.have_arrived = True
                raise StopRequested

        earlier = {number: signal.signal(number, stop) for number in numbers}
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)

    def begin_stop(self) -> bool:
        """From now on, no signal breaks off the stop. Returns whether a signal has asked for the stop."""
        had_arrived, self.have_arrived = self.have_arrived, True
        return had_arrived

    def raise_if_arrived(self) -> None:
        """Raises StopRequested if a signal has arrived. Python drops the exception of a signal handler that interrupts
        a finaliser or the callback of a weak reference. So each loop that waits must call this method."""
        if self.have_arrived:
            raise StopRequested

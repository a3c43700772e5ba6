"""How a long operation reports its progress."""

from collections.abc import Callable

OnProgress = Callable[[int], None]
"""A function that is called with the number of rows done so far."""


def ignore_progress(_: int) -> None:
    """Does nothing."""


class RowCounter:
    """Counts rows, and reports each new count."""

    def __init__(self, on_progress: OnProgress) -> None:
        self.count = 0
        self._on_progress = on_progress

    def add(self, count: int) -> None:
        self.count += count
        self._on_progress(self.count)

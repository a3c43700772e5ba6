"""The interface that all ways of running handlers implement."""

from typing import Protocol

from queue_store.records.record import Record


class Execution(Protocol):
    """One way of running handlers."""

    def execute(self, records: list[Record]) -> list[Record]:
        """Returns the records that were not started."""
        ...

"""The result of a rescue."""

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(slots=True)
class Rescued:
    """The runs and processes that were declared dead, and the records that were given back. `requested_ids`: those of
    the cancelled records that were already pending, and so were not given back by this rescue. `settled_run_ids`: the
    runs that have no processing record any more."""

    dead_run_ids: list[UUID] = field(default_factory=list[UUID])
    dead_worker_process_ids: list[UUID] = field(default_factory=list[UUID])
    pending_ids: list[int] = field(default_factory=list[int])
    failed_ids: list[int] = field(default_factory=list[int])
    cancelled_ids: list[int] = field(default_factory=list[int])
    requested_ids: list[int] = field(default_factory=list[int])
    struck_ids: list[int] = field(default_factory=list[int])
    settled_run_ids: list[UUID] = field(default_factory=list[UUID])
    open_sessions: list[int] = field(default_factory=list[int])  # sessions that this login cannot end

    @property
    def record_count(self) -> int:
        """How many records were given back."""
        given_back = len(self.pending_ids) + len(self.failed_ids) + len(self.cancelled_ids)
        return given_back - len(self.requested_ids)

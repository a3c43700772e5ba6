"""The options of a run, and its counts."""

from dataclasses import dataclass

from queue_store.records.record import Record, Written


@dataclass(frozen=True, slots=True)
class RunOptions:
    """`max_retries`: how many attempts may follow the first one; at least 0. `record_class`: the class of the claimed
    records; a flow whose payloads have a type needs a class of its own. `first_slice`: the number of due records if the
    run is to begin with an express slice, otherwise 0. Even then, the run begins with a claim if the flow has suspects,
    other runs or no due record."""

    flow_name: str
    batch_size: int
    max_retries: int
    record_class: type[Record] = Record
    with_sqlalchemy: bool = False  # the flow's handlers receive the run's transaction
    first_slice: int = 0


@dataclass(slots=True)
class RunCounts:
    """The run's work so far. flow_execution_logs stores these counts."""

    batch_count: int = 0
    records_claimed: int = 0
    records_completed: int = 0
    records_retried: int = 0
    records_failed: int = 0
    records_snoozed: int = 0
    records_released: int = 0
    records_cancelled: int = 0
    records_refused: int = 0
    records_held: int = 0  # in the run's express slice, at this moment

    def parameters(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__slots__}

    def add(self, written: Written) -> None:
        self.records_completed += len(written.completed_ids)
        self.records_retried += len(written.retried_ids)
        self.records_failed += len(written.failed_ids)
        self.records_snoozed += len(written.snoozed_ids)
        self.records_cancelled += len(written.cancelled_ids)
        self.records_refused += len(written.refused_ids)

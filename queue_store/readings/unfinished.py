"""The unfinished records of a flow."""

from dataclasses import dataclass
from typing import Any

from psycopg import Cursor

from queue_store.database.rows import the_row_as
from queue_store.database.statements import sql

UNFINISHED_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class UnfinishedCounts:
    """Each count stops at UNFINISHED_LIMIT. `future`: pending records that are due later."""

    due: int
    future: int
    processing: int

    @property
    def total(self) -> int:
        return self.due + self.future + self.processing


def unfinished_counts(cursor: Cursor[Any], flow_name: str) -> UnfinishedCounts:
    parameters = {"flow_name": flow_name, "limit": UNFINISHED_LIMIT}
    return the_row_as(cursor.execute(sql("readings/count_unfinished_of_flow"), parameters), UnfinishedCounts)


def open_writers(cursor: Cursor[Any]) -> set[tuple[str, str | None]]:
    """Returns pairs. An open transaction that has written to the queue is returned as its virtual id and None. An open
    transaction that holds a snapshot is returned as its virtual id and the snapshot. If both are true of a transaction,
    the transaction is returned twice.

    No count includes the records of an open transaction. A transaction whose snapshot is older than a stop does not see
    the stop, so it can still add records. If such a transaction is READ COMMITTED, its next statement gets a new
    snapshot, and sees the stop. From then on, the pair with the old snapshot is not returned any more."""
    return {(row[0], row[1]) for row in cursor.execute(sql("readings/open_writers")).fetchall()}

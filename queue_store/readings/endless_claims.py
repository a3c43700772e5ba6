"""Records that are claimed again and again without an outcome."""

from dataclasses import dataclass
from typing import Any

from psycopg import Cursor

from queue_store.database.rows import rows_as
from queue_store.database.statements import sql
from queue_store.settings import ProcessorSettings


@dataclass(frozen=True, slots=True)
class EndlessClaims:
    """The records of one flow that were claimed again and again without an outcome. `most_claims`: the largest
    number of consecutive unfinished claims of any of these records. `record_ids`: at most ten."""

    flow_name: str
    record_count: int
    most_claims: int
    record_ids: list[int]


def read_endless_claims(cursor: Cursor[Any], settings: ProcessorSettings) -> list[EndlessClaims]:
    """The flows with records that were claimed again and again without an outcome. Such a record was isolated when
    its unfinished claims reached MAX_UNFINISHED_CLAIMS."""
    parameters = {"max_unfinished_claims": settings.max_unfinished_claims}
    return rows_as(cursor.execute(sql("readings/endless_claims"), parameters), EndlessClaims)

"""The payloads that the records of a flow may hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Cursor

from queue_store.database.rows import row_as
from queue_store.database.statements import sql


@dataclass(frozen=True, slots=True)
class PayloadSchema:
    """`version`: the payload version that the newest registered code takes. `schema`: JSON Schema. `version` and
    `schema` are None for a flow that takes any JSON."""

    flow_name: str
    version: int | None
    schema: dict[str, Any] | None


def read_payload_schema(cursor: Cursor[Any], flow_name: str) -> PayloadSchema | None:
    """Returns None if there is no such flow."""
    return row_as(cursor.execute(sql("readings/payload_schema"), {"flow_name": flow_name}), PayloadSchema)


def read_payload_problems(cursor: Cursor[Any], flow_name: str, payloads: Sequence[str]) -> list[str | None]:
    """`payloads`: as JSON. Returns for each payload the problem that `enqueue_record` would report; None for a
    payload that fits."""
    rows = cursor.execute(
        sql("readings/payload_problems"), {"flow_name": flow_name, "payloads": list(payloads)}
    )
    return [row[0] for row in rows]

"""Writes a row of audit_log in the transaction of the change that this row describes."""

from typing import Any

from psycopg import Cursor
from psycopg.types.json import Jsonb

from queue_store.database.statements import sql


def audit(
    cursor: Cursor[Any], actor: str, action: str, target: str, affected_count: int, details: dict[str, Any]
) -> None:
    parameters = {
        "actor": actor,
        "action": action,
        "target": target,
        "affected_count": affected_count,
        "details": Jsonb({name: value for name, value in details.items() if value is not None}),
    }
    cursor.execute(sql("operators/audit"), parameters)

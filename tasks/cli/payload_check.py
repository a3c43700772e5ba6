"""Checks payloads for `queuectl enqueue`: by the flow's code, or by the stored JSON Schema if this process has not
loaded that code."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .frame import loaded_flows

if TYPE_CHECKING:
    from queue_store.database.manager import DatabaseManager

PayloadCheck = Callable[[Sequence[str]], list[str | None]]
BY_SCHEMA = (
    "checked by the stored schema, which converts nothing: pass --numbers, or name the flow's module in FLOW_MODULES "
    "so that the flow's type decides"
)


def payload_check(database: "DatabaseManager", flow_name: str) -> PayloadCheck | None:
    """A check by the flow's stored JSON Schema. None if the flow takes any JSON, or if the flow's code is loaded and
    checks the payloads itself. The code is imported only for a flow that declares a type. Raises SettingsError."""
    from queue_store.readings.payload_schema import read_payload_schema

    with database.transaction() as cursor:
        declared = read_payload_schema(cursor, flow_name)
    if declared is None or declared.schema is None or flow_name in loaded_flows():
        return None
    return _by_schema(database, flow_name)


def _by_schema(database: "DatabaseManager", flow_name: str) -> PayloadCheck:
    from queue_store.readings.payload_schema import read_payload_problems

    def check(payloads: Sequence[str]) -> list[str | None]:
        with database.transaction() as cursor:
            problems = read_payload_problems(cursor, flow_name, payloads)
        return [problem and f"{problem} ({BY_SCHEMA})" for problem in problems]

    return check

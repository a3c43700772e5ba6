"""What operators stopped: flows that are paused, ingestion, and processing as a whole."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from queue_store.database.rows import rows_as
from queue_store.database.statements import sql


@dataclass(frozen=True, slots=True)
class Switch:
    """`what`: paused, ingestion stopped or processing stopped; `flow_name` None: of all flows."""

    what: str
    flow_name: str | None
    since: datetime
    reason: str | None


@dataclass(frozen=True, slots=True)
class Switches:
    stopped: list[Switch]

    def of(self, flow_name: str) -> list[str]:
        return [switch.what for switch in self.stopped if switch.flow_name in (None, flow_name)]

    def sentences(self) -> list[str]:
        return [
            f"{switch.flow_name or 'all flows'}: {switch.what} since {switch.since:%Y-%m-%d %H:%M:%S %Z}"
            + (f" ({switch.reason})" if switch.reason else "")
            for switch in self.stopped
        ]


def read_switches(cursor: Cursor[Any]) -> Switches:
    return Switches(rows_as(cursor.execute(sql("readings/switches")), Switch))

"""The stops that operators have made: stopped ingestion, stopped processing, and paused flows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from queue_store.database.rows import rows_as
from queue_store.database.statements import sql


@dataclass(frozen=True, slots=True)
class Switch:
    """`what`: paused, ingestion stopped or processing stopped. `flow_name` is None for a stop of all flows. `seconds`:
    how long the stop has lasted. `actor`: the operator; None if the audit log names nobody."""

    what: str
    flow_name: str | None
    since: datetime
    reason: str | None
    seconds: float
    actor: str | None

    @property
    def sentence(self) -> str:
        """A sentence without its full stop: what is stopped, since when, by whom and why."""
        return (
            f"{self.flow_name or 'all flows'}: {self.what} since {self.since:%Y-%m-%d %H:%M:%S %Z}"
            + (f" by {self.actor}" if self.actor else "")
            + (f" ({self.reason})" if self.reason else "")
        )


@dataclass(frozen=True, slots=True)
class Switches:
    stopped: list[Switch]

    def of(self, flow_name: str) -> list[str]:
        return [switch.what for switch in self.stopped if switch.flow_name in (None, flow_name)]

    def sentences(self) -> list[str]:
        return [switch.sentence for switch in self.stopped]


def read_switches(cursor: Cursor[Any]) -> Switches:
    return Switches(rows_as(cursor.execute(sql("readings/switches")), Switch))

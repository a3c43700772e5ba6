"""Remembers the holders of the server's connections, so that a finding can name them when the server accepts no
connection."""

from dataclasses import asdict
from datetime import UTC, datetime

from queue_store.readings.server import ConnectionHolder, ServerReading
from queue_store.settings import ProcessorSettings

from .state_file import StateFile

KIND = "connections"


def named(holders: list[ConnectionHolder]) -> str:
    """Returns `billing in shop as queue_app (80), …`: application, database, login, and number of connections."""
    return ", ".join(
        f"{h.application_name} in {h.database_name} as {h.user_name} ({h.connection_count})" for h in holders
    )


def remember(settings: ProcessorSettings, database_name: str, server: ServerReading) -> None:
    StateFile(settings, database_name, KIND).write(
        {
            "at": datetime.now(UTC).isoformat(),
            "limit": server.connection_limit,
            "count": server.connection_count,
            "holders": [asdict(holder) for holder in server.holders],
        }
    )


def last_known(settings: ProcessorSettings, database_name: str) -> str:
    """Returns a sentence that names the connection holders that this machine stored last, or says that this machine
    knows no holders."""
    state = StateFile(settings, database_name, KIND).read()
    try:
        at = datetime.fromisoformat(state["at"])
        holders = named([ConnectionHolder(**holder) for holder in state["holders"]])
        return (
            f"When this machine last looked, at {at:%Y-%m-%d %H:%M} UTC, {int(state['count'])} of "
            f"{int(state['limit'])} connections were open, most of them held by: {holders}."
        )
    except (TypeError, KeyError, ValueError):
        return "This machine does not know who holds the connections, because it has not looked before."

"""Remembers who held the server's connections, so that a finding can name the holders when the server accepts no
connection."""

from dataclasses import asdict
from datetime import UTC, datetime

from queue_store.readings.server import ConnectionHolder, ServerReading
from queue_store.settings import ProcessorSettings

from .state_file import StateFile

KIND = "connections"


def named(holders: list[ConnectionHolder]) -> str:
    """`billing in shop as queue_app (80), …`: application, database, login, and number of connections."""
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
    """Returns a sentence, even if nothing is known."""
    state = StateFile(settings, database_name, KIND).read()
    try:
        at = datetime.fromisoformat(state["at"])
        holders = named([ConnectionHolder(**holder) for holder in state["holders"]])
        return (
            f"At the last look from this machine, {at:%Y-%m-%d %H:%M} UTC, {int(state['count'])} of "
            f"{int(state['limit'])} connections were open, most of them by: {holders}."
        )
    except (TypeError, KeyError, ValueError):
        return "It is not known here who holds them, because nobody has looked from this machine before."

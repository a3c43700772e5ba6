"""A file whose age shows whether this container is alive. So a health check needs only the command `find`, and no
connection.

The file says nothing about Postgres or Redis, because a restart of the container would not repair them."""

import logging
from pathlib import Path

logger = logging.getLogger(__name__)


def touch_liveness_file(heartbeat_file: str) -> None:
    """Touches the file that the setting HEARTBEAT_FILE names. Does nothing if the setting is empty."""
    if not heartbeat_file:
        return
    try:
        Path(heartbeat_file).touch()
    except OSError as error:
        logger.warning("cannot touch the HEARTBEAT_FILE; name another file: %s", error)

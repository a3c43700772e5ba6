"""A file whose age says whether this container is alive. So a health check needs only `find`, and no connection.

The file says nothing about Postgres or Redis, because restarting containers would not bring those back."""

import logging
from pathlib import Path

logger = logging.getLogger(__name__)


def touch_liveness_file(heartbeat_file: str) -> None:
    """Touches the file of the setting HEARTBEAT_FILE, if it names one."""
    if not heartbeat_file:
        return
    try:
        Path(heartbeat_file).touch()
    except OSError as error:
        logger.warning("cannot touch the HEARTBEAT_FILE, name another one: %s", error)

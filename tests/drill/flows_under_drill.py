"""Flows of the drill's workers. A payload says what the handler does."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from tasks import PermanentError, flow


@flow
def letters(payload: dict[str, Any]) -> None:
    """In the payload, `seconds` says how long the handler takes. While the file that `down` names exists, the called
    service is down."""
    time.sleep(payload.get("seconds", 0))
    if Path(payload.get("down", "/nowhere")).exists():
        raise PermanentError("the post office is closed")


@flow
def deadly(payload: dict[str, Any]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@flow
def busy(payload: dict[str, Any]) -> None:
    deadline = time.monotonic() + payload["seconds"]
    while time.monotonic() < deadline:
        sum(range(10_000))


@flow
def broken_off(payload: dict[str, Any], connection: Connection) -> None:
    """In each attempt, the handler ends its own session, as if something else had cut the connection."""
    connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

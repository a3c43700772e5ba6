"""A small file on this machine. It holds facts that are needed when the database cannot be reached."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from queue_store.setting_fields import PUBLIC
from queue_store.settings import ProcessorSettings, environment_name


class StateFile:
    """One JSON document of one kind, for one user, environment, database and schema. No code relies on the document,
    because it is lost if the disk is full."""

    def __init__(self, settings: ProcessorSettings, database_name: str, kind: str) -> None:
        directory = Path(settings.state_directory or tempfile.gettempdir())
        queue = database_name if settings.schema == PUBLIC else f"{database_name}-{settings.schema}"
        name = f"processing-queue-{os.getuid()}-{environment_name()}-{queue}.{kind}".lower()
        self.path = directory / name

    def read(self) -> Any:
        """Returns None if there is no readable file. A file that belongs to another user is ignored."""
        try:
            if self.path.is_symlink() or self.path.stat().st_uid != os.getuid():
                return None
            return json.loads(self.path.read_text())
        except (OSError, ValueError):
            return None

    def write(self, state: object) -> None:
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(state, file)
        except OSError:
            return

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

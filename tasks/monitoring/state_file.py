"""A small file on this machine. It holds facts that are needed when the database cannot be reached."""

import fcntl
import json
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
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

    @contextmanager
    def lock(self) -> Generator[bool]:
        """Yields False if another process or thread holds the lock of this file. Never waits. If there can be no
        lock, for example because the disk is full, each caller goes on as if it held the lock."""
        descriptor = self._open_lock()
        if descriptor is None:
            yield True
            return
        try:
            yield _try_lock(descriptor)
        finally:
            with suppress(OSError):  # a child process that was forked in the meantime would keep the lock
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    def _open_lock(self) -> int | None:
        path = self.path.with_name(f"{self.path.name}.lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError:
            return None
        if os.fstat(descriptor).st_uid == os.getuid():
            return descriptor
        os.close(descriptor)
        return None


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True

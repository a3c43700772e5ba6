import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from .errors import EmbeddedServerError


class DirectoryLock:
    """Allows only one supervisor at a time for each data directory. The kernel releases the lock when its holder
    dies."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "supervisor.lock"
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 20).decode() or "unknown"
            os.close(self._descriptor)
            raise EmbeddedServerError(
                f"Another `queuectl up` is running on {self._path.parent} (process {holder.strip()}). "
                "Stop it with Ctrl-C, or choose another place with --data-directory."
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The file stays. If this process removed the file, two later processes could each lock a different file of
        # the same name.
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

"""Finds out how much memory this process may use: the machine's memory, or the limit of the container if that is
lower."""

from pathlib import Path

import psutil

CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def memory_limit_bytes(cgroup_limits: tuple[Path, ...] = CGROUP_LIMITS) -> int:
    machine: int = psutil.virtual_memory().total
    return min([machine, *(limit for path in cgroup_limits if (limit := _read(path)) is not None)])


def _read(path: Path) -> int | None:
    """Returns None if the file is missing or says that there is no limit."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None

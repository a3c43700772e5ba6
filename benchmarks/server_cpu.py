"""Reads how much CPU a Postgres server and its sessions have used."""

from collections.abc import Iterable
from contextlib import suppress

import psutil


def server_cpu_seconds(postmaster_pid: int) -> float:
    """The CPU of the server and its sessions. The figure includes ended sessions, if the postmaster has already reaped
    them."""
    postmaster = psutil.Process(postmaster_pid)
    own = postmaster.cpu_times()
    alive = sessions_cpu_seconds(child.pid for child in postmaster.children())
    return own.user + own.system + own.children_user + own.children_system + alive


def sessions_cpu_seconds(pids: Iterable[int]) -> float:
    """The CPU of the sessions in `pids` since they began. Sessions that have ended are left out."""
    total = 0.0
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
    return total

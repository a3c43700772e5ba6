"""Decides whether this process may judge that others are silent."""

import time


class OwnHeartbeat:
    """If this process was itself silent for nearly as long as the lease, perhaps no process could reach the database.
    In that case, other processes may be alive although their heartbeats are older than the lease. So this process
    judges nobody until one lease after its next heartbeat. "Nearly" means one heartbeat interval less than the lease,
    because the newest heartbeat of another process may be one interval older than this process's own.

    A process that sends no heartbeats, such as a command, may always judge others. Only one thread calls `arrived`. Any
    thread may read `may_judge`."""

    def __init__(self, lease_seconds: float, heartbeat_seconds: float) -> None:
        self._lease_seconds = lease_seconds
        self._late_seconds = lease_seconds - heartbeat_seconds
        self._arrived_at: float | None = None
        self._judges_from = float("-inf")

    def arrived(self) -> None:
        """Call this when a heartbeat of this process has reached the database, and once before the first heartbeat."""
        now = time.monotonic()
        if self._is_late(now):
            self._judges_from = now + self._lease_seconds
        self._arrived_at = now  # comes last, because `may_judge` reads it first

    @property
    def may_judge(self) -> bool:
        now = time.monotonic()
        return not self._is_late(now) and now >= self._judges_from

    def _is_late(self, now: float) -> bool:
        arrived_at = self._arrived_at
        return arrived_at is not None and now - arrived_at > self._late_seconds

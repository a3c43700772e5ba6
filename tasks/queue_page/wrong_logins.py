"""Slows down the guessing of passwords, and logs each wrong login. A correct login is never delayed, so nobody is
locked out."""

import asyncio
import logging
import time
from collections import OrderedDict

import tornado.web

logger = logging.getLogger(__name__)

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 8.0
FORGOTTEN_SECONDS = 900.0
ADDRESSES = 1_000
WAITING_AT_ONCE = 20


class WrongLogins:
    """Counts the wrong logins from each address, and remembers the time of the last wrong login. Only the newest
    ADDRESSES addresses are kept."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._waiting = 0

    async def delay(self, address: str) -> None:
        """Count one more wrong login from this address, and wait. Each wait is twice as long as the previous wait, but
        at most LONGEST_SECONDS. Raises HTTPError(429) if too many requests wait already."""
        count = self._count(address)
        seconds = min(FIRST_SECONDS * 2 ** min(count - 1, 20), LONGEST_SECONDS)
        logger.warning("wrong login no. %d from %s: answered after %.1f s", count, address, seconds)
        if self._waiting >= WAITING_AT_ONCE:
            raise tornado.web.HTTPError(429, "too many wrong logins at once")
        self._waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting -= 1

    def _count(self, address: str) -> int:
        count, last = self._counts.pop(address, (0, 0.0))
        if time.monotonic() - last > FORGOTTEN_SECONDS:
            count = 0
        self._counts[address] = (count + 1, time.monotonic())
        while len(self._counts) > ADDRESSES:
            self._counts.popitem(last=False)
        return count + 1

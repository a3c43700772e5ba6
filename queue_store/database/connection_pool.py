"""The pool of one process for connections to one server. The connections are those of psycopg, without a wrapper.

SQLAlchemy has a pool too, but importing SQLAlchemy costs more CPU than everything else that a worker does at its start.
SQLAlchemy's synchronous engines borrow their connections from this pool: see `sqlalchemy_engine`. psycopg_pool is not
used: it opens connections in four threads of its own, and a fork does not copy threads. While the server cannot be
reached, callers of psycopg_pool would get a timeout without the cause.
"""

import os
import select
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import psycopg
from psycopg.pq import TransactionStatus

Driver = psycopg.Connection[Any]

TIMEOUT_SECONDS = 10.0


class PoolExhaustedError(Exception):
    """All connections were in use for TIMEOUT_SECONDS."""

    def __init__(self) -> None:
        super().__init__("all connections of this process are in use")


class ConnectionPool:
    """Thread-safe. After a fork the child's manager makes a new pool instead of using this one. `size`: how many
    idle connections are kept. `capacity`: how many connections may be open at a time.

    The pool never hands out a connection that the server has closed. The socket shows whether a connection was closed,
    so no round trip is needed. After one connection breaks, the pool tests each idle connection with a query before it
    hands the connection out. A pool that is garbage collected closes its idle connections.
    """

    def __init__(self, connect: Callable[[], Driver], *, size: int, capacity: int) -> None:
        self._connect = connect
        self._size = size
        self._capacity = capacity
        self._changed = threading.Condition()
        self._idle: list[Driver] = []  # the last connection given back is the first one taken
        # The generation of each connection in use. Each call of `dispose` begins a new generation.
        self._taken: WeakKeyDictionary[Driver, int] = WeakKeyDictionary()
        self._doubtful: WeakSet[Driver] = WeakSet()
        self._opening_count = 0
        self._generation = 0
        self.on_close: Callable[[Driver], object] = lambda driver: None
        weakref.finalize(self, _close_all, self._idle, os.getpid()).atexit = False

    @property
    def in_use(self) -> int:
        with self._changed:
            return self._opening_count + sum(not driver.closed for driver in self._taken)

    def take(self) -> Driver:
        """Raises psycopg.Error if no connection can be opened. Raises PoolExhaustedError if all connections of the pool
        stay in use for `TIMEOUT_SECONDS`."""
        while (driver := self._take_idle()) is not None:
            if self._is_usable(driver):
                return driver
            self._drop(driver)
        return self._open()

    def give_back(self, driver: Driver) -> None:
        """Roll back an unfinished transaction and keep the connection. Close the connection instead if it is broken,
        if `size` connections are idle, or if `dispose` was called since the connection was taken."""
        is_usable = _is_reset(driver)
        with self._changed:
            generation = self._taken.pop(driver, None)
            is_kept = is_usable and generation == self._generation and len(self._idle) < self._size
            if is_kept:
                self._idle.append(driver)
            if not is_usable:
                self._doubtful.update(self._idle)
            self._changed.notify_all()
        if not is_kept:
            self._close(driver)

    def notice_closed(self) -> None:
        """Call this if a connection in use may have been closed. The idle connections may be closed too, so they are
        tested before their next use."""
        with self._changed:
            self._doubtful.update(self._idle)
            self._changed.notify_all()

    def dispose(self) -> None:
        """Close idle connections now, and connections in use when they are given back."""
        with self._changed:
            idle = self._idle.copy()
            self._idle.clear()
            self._generation += 1
        for driver in idle:
            self._close(driver)

    def _take_idle(self) -> Driver | None:
        """Returns None if no connection is idle and the caller may open a new one. The caller's new connection
        counts as in use from now on."""
        with self._changed:
            if not self._changed.wait_for(self._has_room, TIMEOUT_SECONDS):
                raise PoolExhaustedError
            if not self._idle:
                self._opening_count += 1
                return None
            driver = self._idle.pop()
            self._taken[driver] = self._generation
            return driver

    def _has_room(self) -> bool:
        return bool(self._idle) or self.in_use < self._capacity

    def _open(self) -> Driver:
        driver, generation = None, self._generation
        try:
            driver = self._connect()
            return driver
        finally:
            with self._changed:
                self._opening_count -= 1
                if driver is not None:
                    self._taken[driver] = generation
                self._changed.notify_all()

    def _is_usable(self, driver: Driver) -> bool:
        if driver.closed or driver.broken:
            return False
        with self._changed:
            is_doubtful = driver in self._doubtful
            self._doubtful.discard(driver)
        return _answers(driver) if is_doubtful or _has_something_to_say(driver) else True

    def _drop(self, driver: Driver) -> None:
        with self._changed:
            self._taken.pop(driver, None)
            self._doubtful.update(self._idle)
            self._changed.notify_all()
        self._close(driver)

    def _close(self, driver: Driver) -> None:
        with suppress(Exception):
            driver.close()
        self.on_close(driver)


def _close_all(idle: list[Driver], pid: int) -> None:
    """Close the idle connections of a pool that nobody uses any more. Do nothing in a forked child: the connections
    belong to its parent."""
    while idle and pid == os.getpid():
        with suppress(Exception):
            idle.pop().close()


def _is_reset(driver: Driver) -> bool:
    """Whether the connection is clean again, so that another caller can use it."""
    if driver.closed or driver.broken:
        return False
    if driver.pgconn.transaction_status != TransactionStatus.IDLE:
        with suppress(Exception):
            driver.rollback()
    return driver.pgconn.transaction_status == TransactionStatus.IDLE


def _has_something_to_say(driver: Driver) -> bool:
    """Whether the socket has data to read. For an idle session, this usually means that the server has ended the
    session."""
    poller = select.poll()
    poller.register(driver.fileno(), select.POLLIN)
    return bool(poller.poll(0))


def _answers(driver: Driver) -> bool:
    try:
        driver.execute("SELECT")
        driver.rollback()
    except psycopg.Error:
        return False
    return not driver.closed

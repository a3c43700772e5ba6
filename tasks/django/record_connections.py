"""Manages Django's connections for each record, as Django itself does for each request.

Connections that are too old or broken are closed before and after each record. A transaction that a task leaves open is
rolled back, and the attempt fails. Without the rollback, the next task would write into that transaction. If the
attempt did not fail, the task's own rows would be lost silently.
"""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections, reset_queries


class TransactionLeftOpenError(Exception):
    """A task returned and left a transaction open."""


@contextmanager
def connections_of_a_record() -> Generator[None]:
    """Manages the connections of the thread that runs the task, before and after this block. Raises
    TransactionLeftOpenError."""
    before = _begin()
    try:
        yield
    except BaseException:
        _end(before)
        raise
    _refuse(_end(before))


@asynccontextmanager
async def async_connections_of_a_record() -> AsyncGenerator[None]:
    """Manages the connections of an asynchronous task, before and after this block. These connections belong to the one
    thread in which `sync_to_async` runs functions."""
    before = await sync_to_async(_begin)()
    try:
        yield
    except BaseException:
        await sync_to_async(_end)(before)
        raise
    _refuse(await sync_to_async(_end)(before))


def _begin() -> dict[str, int]:
    """Closes connections that are too old or broken. Returns how many transactions and savepoints are open, for
    each alias. In a test, these numbers need not be 0, because the test's own transaction may be open."""
    reset_queries()
    _close_old()
    return {connection.alias: _depth(connection) for connection in connections.all(initialized_only=True)}


def _end(before: dict[str, int]) -> list[str]:
    left_open: list[str] = []
    for connection in connections.all(initialized_only=True):
        if _depth(connection) > before.get(connection.alias, 0):
            left_open.append(connection.alias)
            connection.close()
            del connections[connection.alias]  # the closed connection still counts as inside of `atomic()`
    _close_old()
    return left_open


def _depth(connection: Any) -> int:
    """How many transactions and savepoints are open. Also counts a transaction that `set_autocommit(False)` began."""
    if connection.connection is None:
        return 0
    if connection.in_atomic_block:
        return 1 + len(connection.savepoint_ids)
    return int(not connection.get_autocommit() and connection.settings_dict["AUTOCOMMIT"])


def _close_old() -> None:
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:  # a test's open transaction still needs its connection
            connection.close_if_unusable_or_obsolete()


def _refuse(left_open: list[str]) -> None:
    if left_open:
        raise TransactionLeftOpenError(
            f"the task returned with an open transaction on {', '.join(left_open)}, and the transaction was rolled "
            "back: use `with transaction.atomic():`, which always ends its transaction"
        )

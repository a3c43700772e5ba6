"""Manages Django's connections for each record, as Django itself does for each request.

Connections that are too old or broken are closed before and after each record. A transaction that a task leaves open is
rolled back, and the attempt fails. Without the rollback, the next task would write into that transaction. If the
attempt succeeded in spite of the rollback, the rows that the task wrote would be lost silently.
"""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections, reset_queries
from psycopg.pq import TransactionStatus


class TransactionLeftOpenError(Exception):
    """A task returned and left a transaction open."""


@dataclass(eq=False, slots=True)
class _Record:
    """A record between its begin and its end. `before`: how many transactions and savepoints were open at the begin,
    for each alias; None until the begin. In a test, these numbers can be above 0, because the test's own transaction
    can be open. `refusal`: why the record fails; "" if no transaction was left open."""

    before: dict[str, int] | None = None
    refusal: str = ""


_async_records: set[_Record] = (
    set()
)  # the records of the event loop; they share the thread of `sync_to_async`


@contextmanager
def connections_of_a_record() -> Generator[None]:
    """Closes old and broken connections of the thread that runs the task, before and after this block. Rolls back a
    transaction that the task left open, and raises TransactionLeftOpenError unless the task itself raised an error."""
    record = _Record()
    _begin(record)
    try:
        yield
    except BaseException:
        _end(record)
        raise
    _end(record)
    _refuse(record)


@asynccontextmanager
async def async_connections_of_a_record() -> AsyncGenerator[None]:
    """Manages the connections of an asynchronous task, before and after this block. These connections belong to the one
    thread in which `sync_to_async` runs functions, so asynchronous tasks that run at the same time share them. While
    they are shared, only broken connections are closed. A transaction that one of these tasks leaves open may contain
    the writes of all of them. So all of them fail."""
    record = _Record()
    _async_records.add(record)
    try:
        await sync_to_async(_begin)(record)
        try:
            yield
        except BaseException:
            await sync_to_async(_end)(record)
            raise
        await sync_to_async(_end)(record)
    finally:
        _async_records.discard(record)
    _refuse(record)


def _begin(record: _Record) -> None:
    reset_queries()
    if sharing := _sharing(record):
        record.before = sharing[0].before
        return
    _close_old()
    record.before = {
        connection.alias: _depth(connection) for connection in connections.all(initialized_only=True)
    }


def _end(record: _Record) -> None:
    sharing = _sharing(record)
    _async_records.discard(record)
    if left_open := _roll_back(record.before or {}):
        for one in (record, *sharing):
            one.refusal = _refusal(", ".join(left_open), is_shared=bool(sharing))
    if sharing:
        _close_broken()
    else:
        _close_old()


def _refusal(aliases: str, *, is_shared: bool) -> str:
    """If tasks share a connection, nothing shows which of them opened the transaction."""
    what = f"returned with an open transaction on {aliases}, and the transaction was rolled back: use"
    if is_shared:
        what = (
            f"or another task that shares its connection left a transaction open on {aliases} while one of them "
            "returned, and the transaction was rolled back: within one function that `sync_to_async` calls, use"
        )
    return f"the task {what} `with transaction.atomic():`, which always ends its transaction"


def _sharing(record: _Record) -> list[_Record]:
    """The other records that have begun and use the same connections. Only asynchronous tasks share connections."""
    if record not in _async_records:
        return []
    return [other for other in tuple(_async_records) if other is not record and other.before is not None]


def _roll_back(before: dict[str, int]) -> list[str]:
    """Rolls back the transactions that were opened since the begin. Returns the aliases of their connections."""
    left_open: list[str] = []
    for connection in connections.all(initialized_only=True):
        if _depth(connection) > before.get(connection.alias, 0):
            left_open.append(connection.alias)
            connection.close()
            del connections[connection.alias]  # the closed connection still counts as inside of `atomic()`
    return left_open


def _depth(connection: Any) -> int:
    """How many transactions and savepoints are open. Also counts a transaction that `set_autocommit(False)` began, and
    one that a task began with BEGIN."""
    if connection.connection is None:
        return 0
    if connection.in_atomic_block:
        return 1 + len(connection.savepoint_ids)
    if not connection.settings_dict["AUTOCOMMIT"]:
        return 0
    return int(not connection.get_autocommit() or _is_in_transaction(connection))


def _is_in_transaction(connection: Any) -> bool:
    """Whether the server has a transaction open, although Django knows of none. A broken connection has none."""
    if connection.vendor != "postgresql":
        return False
    status = connection.connection.info.transaction_status
    return status not in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN)


def _close_old() -> None:
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:  # a test's open transaction still needs its connection
            connection.close_if_unusable_or_obsolete()


def _close_broken() -> None:
    """Does what `close_if_unusable_or_obsolete` does, but closes no connection that still works."""
    for connection in connections.all(initialized_only=True):
        if connection.connection is None or connection.in_atomic_block:
            continue
        connection.health_check_done = False
        if not connection.errors_occurred:
            continue
        if connection.is_usable():
            connection.errors_occurred = False
            connection.health_check_done = True
        else:
            connection.close()


def _refuse(record: _Record) -> None:
    if record.refusal:
        raise TransactionLeftOpenError(record.refusal)

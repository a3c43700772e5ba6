"""Lets runs work over one given connection, inside a transaction that the caller has begun on it. This module is for
tests that roll back."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Cursor
from psycopg.pq import TransactionStatus

from queue_store.database.cursors import OwnCursor
from queue_store.database.statements import sql


class OneConnection:
    """Takes the place of a DatabaseManager and of the connection that a run holds. The method `transaction` sets a
    savepoint if the connection has a transaction open; otherwise the method begins a transaction. `current`: a function
    that returns the connection; it may return another connection each time."""

    def __init__(self, current: Callable[[], psycopg.Connection[Any]]) -> None:
        self._current = current

    @contextmanager
    def hold(self, *, with_sqlalchemy: bool = False) -> Generator["OneConnection"]:
        """`with_sqlalchemy` has no effect: a run of a test gets no SQLAlchemy connection."""
        yield self

    @contextmanager
    def transaction(self) -> Generator[Cursor[Any]]:
        driver = self._current()
        if not driver.autocommit and driver.info.transaction_status == TransactionStatus.IDLE:
            driver.execute("SELECT")  # otherwise psycopg would commit at the end of the block
        with driver.transaction(), OwnCursor(driver, binary=True) as cursor:
            yield cursor

    @contextmanager
    def first_pipeline(self, cursor: Cursor[Any]) -> Generator[None]:
        """Sends no BEGIN, because the transaction has begun already."""
        with cursor.connection.pipeline():
            yield

    def undo(self) -> None:
        """Leave the innermost `transaction`, and roll back its changes."""
        raise psycopg.Rollback


def make_due(cursor: Cursor[Any]) -> None:
    """Make every pending record due now."""
    cursor.execute(sql("runs/make_due"))

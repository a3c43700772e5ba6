"""Runs over one connection, in the transaction that somebody else has open there: for tests that take it back."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Cursor
from psycopg.pq import TransactionStatus

from queue_store.database.cursors import OwnCursor
from queue_store.database.statements import sql


class OneConnection:
    """What a run asks of a DatabaseManager and of the connection that it holds. Each of its transactions is a savepoint
    where a transaction is open, else a transaction. `current`: the connection, which may be another one each time."""

    def __init__(self, current: Callable[[], psycopg.Connection[Any]]) -> None:
        self._current = current

    @contextmanager
    def hold(self, *, with_sqlalchemy: bool = False) -> Generator["OneConnection"]:
        """No run of a test is given a connection of SQLAlchemy: `with_sqlalchemy` changes nothing."""
        yield self

    @contextmanager
    def transaction(self) -> Generator[Cursor[Any]]:
        driver = self._current()
        if not driver.autocommit and driver.info.transaction_status == TransactionStatus.IDLE:
            driver.execute("SELECT")  # otherwise psycopg would commit at the end of the block
        with driver.transaction(), OwnCursor(driver, binary=True) as cursor:
            yield cursor

    def undo(self) -> None:
        """Leave the innermost `transaction`, and take back what it did."""
        raise psycopg.Rollback


def make_due(cursor: Cursor[Any]) -> None:
    """Every pending record is due now."""
    cursor.execute(sql("runs/make_due"))

"""The transaction in which a record is written: the caller's own, if the caller has one."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import psycopg

from queue_store.database.sqlalchemy_kinds import is_connection, is_scoped_session, is_session
from queue_store.enqueueing import Enqueued, NewRecord, enqueue
from queue_store.enqueueing.after_commit import hint_after_commit, send_hints, session_to_hint
from queue_store.enqueueing.hints import HintSender
from queue_store.enqueueing.task_ids import enqueue_with_task_id

from .refusals import refuse

DJANGO = "django:"
Transaction = Callable[[], Any] | str | None
Outside = Literal["commit", "error"]


class CallersTransaction:
    """`transaction`: a function, or "django:" with the alias of a database, or None. The function returns the caller's
    session or connection, and returns None outside of a transaction. If `transaction` is None, every call is outside of
    a transaction. `outside`: with "commit", a call outside of a transaction commits its record in a transaction of its
    own. With "error", a call outside of a transaction raises NotDurableError."""

    def __init__(self, transaction: Transaction, outside: Outside) -> None:
        if not (transaction is None or callable(transaction) or _names_django(transaction)):
            raise refuse(
                f"transaction={transaction!r}",
                'pass a function that returns the session or connection in use, "django:default", or None',
            )
        if outside not in ("commit", "error"):
            raise refuse(f"outside_transaction={outside!r}", 'pass "commit" or "error"')
        self._transaction = transaction
        self._outside = outside

    @property
    def django_alias(self) -> str | None:
        transaction = self._transaction
        return transaction.removeprefix(DJANGO) if isinstance(transaction, str) else None

    def current(self) -> Any:
        """The connection through which a record is written. None outside of a transaction, if `outside` is "commit".
        Raises NotDurableError."""
        connection = self.open_one()
        if connection is None and self._outside == "error":
            raise refuse(
                "a durable task was called outside of a transaction",
                'begin one, or pass outside_transaction="commit" to the application',
            )
        return connection

    def open_one(self) -> Any:
        """The caller's session or connection; None outside of a transaction. Raises NotDurableError."""
        if self.django_alias is not None:
            return _of_django(self.django_alias)
        connection = self._transaction() if callable(self._transaction) else None
        return None if _commits_by_itself(connection) else connection

    def hint_after_commit(self, connection: Any, sender: HintSender, enqueued: Enqueued) -> None:
        """Send a hint after the connection's COMMIT. If the COMMIT cannot be observed, no hint is sent. A worker
        finds the record within seconds even without a hint."""
        if self.django_alias is not None:
            from django.db import connections

            if connections[self.django_alias].in_atomic_block:
                connections[self.django_alias].on_commit(partial(send_hints, sender, enqueued), robust=True)
        elif is_session(connection) or is_scoped_session(connection):
            session = session_to_hint(connection, sender)
            assert session is not None
            hint_after_commit(session, sender, enqueued)


def write(connection: Any, flow_name: str, record: NewRecord, task_id: str | None) -> Enqueued:
    """Write the record through this connection. Raises QueueStoreError."""
    if task_id is not None:
        return enqueue_with_task_id(connection, flow_name, record, task_id)
    return enqueue(
        connection, flow_name, record.payload, priority=record.priority, scheduled_at=record.scheduled_at
    )


def _names_django(transaction: Any) -> bool:
    return isinstance(transaction, str) and transaction.startswith(DJANGO) and len(transaction) > len(DJANGO)


def _of_django(alias: str) -> Any:
    from django.db import connections

    connection = connections[alias]
    if connection.vendor != "postgresql":
        raise refuse(
            f"Django's database {alias!r} is {connection.vendor}",
            "durable tasks need the Postgres of the queue, through psycopg 3",
        )
    if connection.get_autocommit() and not connection.in_atomic_block:
        return None
    connection.ensure_connection()
    driver = connection.connection
    if not isinstance(driver, psycopg.Connection):
        raise refuse(
            f"Django's database {alias!r} is reached through {type(driver).__module__.split('.')[0]}",
            "durable tasks need psycopg 3: pip install 'psycopg[binary]'",
        )
    return driver


def _commits_by_itself(connection: Any) -> bool:
    """Whether the connection commits each statement at once, because it is in autocommit and no transaction is open.
    Otherwise SQLAlchemy or the driver begins a transaction, which the owner of the connection commits."""
    if isinstance(connection, psycopg.Cursor):
        connection = connection.connection
    if is_connection(connection):
        driver = connection.connection.driver_connection
        return isinstance(driver, psycopg.Connection) and driver.autocommit
    if not isinstance(connection, psycopg.Connection):
        return connection is None
    return connection.autocommit and connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE

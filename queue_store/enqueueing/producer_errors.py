"""Translates database errors for producers."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus

from queue_store.database.driver_errors import database_errors, translated_for_producer
from queue_store.errors import QueueStoreError


@contextmanager
def translated_errors(*, commits: bool = False) -> Generator[None]:
    """Translates database errors into errors of this package. A database error without a translation passes
    unchanged. `commits`: whether a statement of this block commits. If so, and the connection breaks in the block, the
    error is a CommitUnknownError."""
    try:
        yield
    except database_errors() as error:
        meaning = translated_for_producer(error, commits=commits)
        if meaning is None:
            raise
        raise meaning from error


def commits_each_statement(driver: psycopg.Connection[Any] | AsyncConnection[Any]) -> bool:
    """Whether the next statement commits at once: the connection is in autocommit mode, and no transaction is open."""
    is_open = driver.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)
    return driver.autocommit and not driver.closed and not is_open


def wrong_connection(connection: object, driver: object) -> QueueStoreError:
    return QueueStoreError(
        f"cannot enqueue through {type(connection).__name__} ({type(driver).__module__}.{type(driver).__name__}): "
        "pass a SQLAlchemy session or connection on postgresql+psycopg://, or a connection of psycopg 3; "
        "pass an asynchronous one to an asynchronous function, such as aenqueue"
    )

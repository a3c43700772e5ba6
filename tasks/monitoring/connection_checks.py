"""Counts how often the database could be reached. Each judgement of the queue and each health check is one sample.
Failed samples are stored once the database can be reached again."""

import logging
from collections import deque

import psycopg

from queue_store.database.manager import DatabaseManager
from queue_store.errors import QueueStoreError
from queue_store.readings.trends import note_connection_check, read_connection_success

logger = logging.getLogger(__name__)

REMEMBERED = 1_000

unnoted: dict[str, deque[int]] = {}


def remember_failure(database_name: str, attempts: int) -> None:
    unnoted.setdefault(database_name, deque(maxlen=REMEMBERED)).append(attempts)


def note_success(database: DatabaseManager, attempts: int, response_time_ms: float) -> float | None:
    """Stores a successful connection check, and the failed checks that were not stored yet. Returns the success rate of
    the last day in percent, or None if the samples cannot be stored. Never raises."""
    failures = unnoted.get(database.name, deque[int]())
    try:
        with database.transaction() as cursor:
            for failed_attempts in failures:
                note_connection_check(cursor, failed_attempts, 0, None)
            note_connection_check(cursor, attempts, 1, response_time_ms)
            rate = read_connection_success(cursor).success_rate_percent
    except (QueueStoreError, psycopg.Error) as error:
        logger.warning("a check of %s could not be recorded: %s", database.name, error)
        return None
    failures.clear()
    return rate

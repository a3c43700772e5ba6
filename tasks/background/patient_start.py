"""Makes a starting worker wait for PgBouncer. After an outage of Postgres has ended, PgBouncer still refuses clients
for a while."""

import logging
import time

from queue_store.database.manager import DatabaseManager
from queue_store.database.schema import check_version
from queue_store.errors import DatabaseUnavailableError

PATIENCE_SECONDS = 40.0  # more than twice PgBouncer's server_login_retry, by default 15 s
TRY_AGAIN_SECONDS = 1.0
NOT_LOGGED_IN_YET = ("server_login_retry", "query_wait_timeout")  # PgBouncer's words when it refuses a client

logger = logging.getLogger(__name__)


def check_schema(application_name: str) -> None:
    """Raises QueueStoreError if this code cannot use the database or its schema. If PgBouncer refuses clients because
    it cannot log in to Postgres yet, this function tries again for up to PATIENCE_SECONDS."""
    database = DatabaseManager(application_name=application_name)
    ends_at = time.monotonic() + PATIENCE_SECONDS
    try:
        while True:
            try:
                return check_version(database)
            except DatabaseUnavailableError as error:
                seconds_left = ends_at - time.monotonic()
                if seconds_left <= 0 or not any(text in str(error) for text in NOT_LOGGED_IN_YET):
                    raise
                logger.warning(
                    "PgBouncer cannot log in to Postgres yet: this process waits for at most %d s more: %s",
                    seconds_left,
                    error,
                )
                time.sleep(TRY_AGAIN_SECONDS)
    finally:
        database.dispose()

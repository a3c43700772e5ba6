"""The task that keeps the alerts up to date. Beat sends this task every minute to the control queue."""

import logging
import time

import psycopg

from queue_store.errors import QueueStoreError
from queue_store.settings import load_processor_settings

from ..app import waking_task
from ..monitoring.databases import database_named

logger = logging.getLogger(__name__)

JUDGE_AGAIN_SECONDS = 10.0
_judged_at = float("-inf")


@waking_task("processing_queue.update_alerts", old_name="tasks.alerts.update_alerts")
def update_alerts() -> None:
    """Idempotent. If two calls run at the same time, one waits while the other stores alerts. Each process judges the
    queue at most once in JUDGE_AGAIN_SECONDS, however many messages ask for a judgement."""
    from .checking import check_queue  # imported here, because a worker for flows never runs this task

    global _judged_at  # noqa: PLW0603  (when this process judged last)
    if time.monotonic() < _judged_at + JUDGE_AGAIN_SECONDS:
        return
    _judged_at = time.monotonic()
    try:
        check_queue(database_named(), load_processor_settings(), notify=True)
    except (QueueStoreError, psycopg.Error) as error:
        logger.warning("the alerts could not be updated: %s", error)

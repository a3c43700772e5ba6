"""The task that keeps the alerts: every minute, from the control queue."""

import logging

import psycopg

from queue_store.errors import QueueStoreError
from queue_store.settings import load_processor_settings

from ..app import owned_task
from ..monitoring.databases import database_named
from .judging import judge_everything

logger = logging.getLogger(__name__)


@owned_task("processing_queue.update_alerts", old_name="tasks.alerts.update_alerts")
def update_alerts() -> None:
    """Idempotent; two at a time wait for each other."""
    try:
        judge_everything(database_named(), load_processor_settings(), notify=True)
    except (QueueStoreError, psycopg.Error) as error:
        logger.warning("the alerts could not be brought up to date: %s", error)

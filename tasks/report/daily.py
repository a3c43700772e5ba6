"""The function behind the schedule's entry `daily_report`."""

import logging

from queue_store.settings import load_processor_settings

from ..monitoring.databases import database_named

logger = logging.getLogger(__name__)


def daily_report() -> int:
    """Send the report of the last day to REPORT_RECIPIENTS. If there are no recipients, send nothing. Raises
    ReportNotSentError, DatabaseUnavailableError."""
    from .sending import send_report  # imported here, because only one process needs it, once a day

    sent_count = send_report(database_named(), load_processor_settings())
    if sent_count:
        logger.info("the daily report was sent; recipients: %d", sent_count)
    return sent_count

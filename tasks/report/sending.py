"""Sends the report through Apprise, as an attachment. The setting REPORT_RECIPIENTS names the recipients."""

import logging
import tempfile
from pathlib import Path

from queue_store.database.manager import DatabaseManager
from queue_store.errors import QueueStoreError
from queue_store.settings import ProcessorSettings

from ..apprise_urls import NotDeliveredError, send_to
from .contents import Report, read_report
from .html import as_html

logger = logging.getLogger(__name__)


class ReportNotSentError(QueueStoreError):
    """Nobody received the report. The text of this error contains no secret."""


def send_report(database: DatabaseManager, settings: ProcessorSettings) -> int:
    """Returns the number of recipients to whom the report was sent; 0 if there are no recipients. Raises
    ReportNotSentError if there are recipients but none received the report. If only some recipients received it, raises
    nothing, because a second try would send the report to them again. Raises DatabaseUnavailableError."""
    if not settings.report_recipients:
        return 0
    report = read_report(database)
    with tempfile.TemporaryDirectory(prefix="report-") as directory:
        file = Path(directory) / f"queue-{report.at:%Y-%m-%d}.html"
        file.write_text(as_html(report), "utf-8")
        problems = [p for url in settings.report_recipients if (p := _send(url, report, file))]
    sent_count = len(settings.report_recipients) - len(problems)
    if not sent_count:
        raise ReportNotSentError(f"the report was not sent: {'; '.join(problems)}")
    for problem in problems:
        logger.warning(
            "the report could not be sent to one of the %d recipients: %s",
            len(settings.report_recipients),
            problem,
        )
    return sent_count


def _send(url: str, report: Report, file: Path) -> str | None:
    """Returns None if the report was sent, or else a text that says what went wrong."""
    try:
        send_to(url, f"The queue on {report.at:%d %B %Y}", report.sentence, file)
    except NotDeliveredError as error:
        return str(error)
    return None

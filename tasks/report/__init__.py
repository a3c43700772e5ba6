"""The report of the last day: one file that needs nothing else, fit to attach to a mail."""

from .contents import Report, read_report
from .html import as_html
from .markdown import as_markdown
from .sending import ReportNotSentError, send_report

__all__ = ["Report", "ReportNotSentError", "as_html", "as_markdown", "read_report", "send_report"]

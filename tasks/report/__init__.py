"""The report of the last day: one file that needs nothing else, fit to attach to a mail."""

from tasks.report.contents import Report, read_report
from tasks.report.html import as_html
from tasks.report.markdown import as_markdown
from tasks.report.sending import ReportNotSentError, send_report

__all__ = ["Report", "ReportNotSentError", "as_html", "as_markdown", "read_report", "send_report"]

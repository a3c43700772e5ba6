"""The report as one HTML file. It has no scripts and loads nothing."""

from collections.abc import Sequence
from html import escape

from .contents import HEADINGS, Report
from .plot import plot

STYLE = """
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; color: #1b1f1a;
  background: #fff; }
table { width: 100%; border-collapse: collapse; font-size: 0.9rem; }
th, td { padding: 0.3rem 0.6rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
svg { max-width: 100%; height: auto; }
"""


def as_html(report: Report) -> str:
    errors = [[group.text, f"{group.error_count:,}", ", ".join(group.flow_names)] for group in report.errors]
    alerts = [
        [alert.message, alert.level, "resolved" if alert.resolved_at else "open"] for alert in report.alerts
    ]
    parts = [
        f"<h1>The queue on {report.at:%d %B %Y}</h1><p>{escape(report.sentence)}</p>",
        "<h2>Flows</h2>" + _table(HEADINGS, report.table),
        "<h2>The day</h2>" + "".join(_plots(report)),
        "<h2>Most frequent errors</h2>" + _table(("error", "attempts", "flows"), errors),
        "<h2>Alerts</h2>" + _table(("alert", "level", "state"), alerts),
        f"<p>{report.alerts_left_out}</p>" if report.alerts_left_out else "",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Report of the queue</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _plots(report: Report) -> list[str]:
    return [
        f"<h3>{title}</h3>{plot(title, series, report.start, report.at)}"
        for title, series in report.plots.items()
    ]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "<p>None.</p>"
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

"""The report as Markdown, for places that show no pictures."""

from collections.abc import Sequence

from .contents import HEADINGS, Report
from .sparkline import sparkline


def as_markdown(report: Report) -> str:
    errors = [[group.text, f"{group.error_count:,}", ", ".join(group.flow_names)] for group in report.errors]
    alerts = [
        [alert.message, alert.level, "resolved" if alert.resolved_at else "open"] for alert in report.alerts
    ]
    return "\n\n".join([
        f"# The queue on {report.at:%d %B %Y}",
        report.sentence,
        "## Flows",
        _table(HEADINGS, report.table),
        "## The day",
        _plots(report),
        "## Most frequent errors",
        _table(("error", "attempts", "flows"), errors),
        "## Alerts",
        _table(("alert", "level", "state"), alerts),
        *([report.alerts_left_out] if report.alerts_left_out else []),
    ]) + "\n"  # fmt: skip


def _plots(report: Report) -> str:
    """Draws the plots in a code fence, so that the characters are aligned."""
    lines = [f"from {report.start:%d %b %H:%M} to {report.at:%d %b %H:%M %Z}"]
    for title, series in report.plots.items():
        lines += ["", title]
        for name, points in series.items():
            highest = max((value for at, value in points if at >= report.start), default=0)
            bars = sparkline(points, report.start, report.at)
            lines.append(f"{name:<18} {bars} at most {highest:,.3g}")
    return "\n".join(["```text", *lines, "```"])


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "None."
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    """Escapes text from records, so that the text neither ends its table cell nor becomes markup."""
    escaped = "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in " ".join(text.split()))
    return escaped or "-"

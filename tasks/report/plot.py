"""Draws a line plot as SVG text, so that the report needs no JavaScript."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 180, 56, 22, 8
COLOURS = ("#0072b2", "#d55e00", "#009e73")
DASHES = ("", "6 3", "2 3")

Points = Sequence[tuple[datetime, float]]


def plot(title: str, series: Mapping[str, Points], start: datetime, end: datetime) -> str:
    """Draws up to three series, which differ in colour and dashes."""
    highest = max((value for points in series.values() for _, value in points), default=0) or 1
    span = (end - start).total_seconds()

    def place(at: datetime, value: float) -> str:
        x = LEFT + (at - start).total_seconds() / span * (WIDTH - LEFT - 8)
        return f"{x:.1f},{HEIGHT - BOTTOM - value / highest * (HEIGHT - BOTTOM - TOP):.1f}"

    lines = [
        f'<polyline fill="none" stroke-width="2" stroke="{colour}" stroke-dasharray="{dash}" '
        f'points="{" ".join(place(at, value) for at, value in points if at >= start)}"/>'
        for points, colour, dash in zip(series.values(), COLOURS, DASHES, strict=False)
    ]
    names = " · ".join(
        f'<tspan fill="{colour}">{escape(name)}</tspan>'
        for name, colour in zip(series, COLOURS, strict=False)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 20}" width="{WIDTH}" role="img" aria-label="{escape(title)}" '
        'font-family="sans-serif" font-size="12" fill="#555">'
        f'<line x1="{LEFT}" x2="{WIDTH - 8}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}" stroke="#999"/>'
        f'<text x="{LEFT - 6}" y="{TOP + 10}" text-anchor="end">{highest:,.3g}</text>'
        f'<text x="{LEFT - 6}" y="{HEIGHT - BOTTOM}" text-anchor="end">0</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 6}">{start:%d %b %H:%M}</text>'
        f'<text x="{WIDTH - 8}" y="{HEIGHT - 6}" text-anchor="end">{end:%d %b %H:%M %Z}</text>'
        f'<text x="{LEFT}" y="{HEIGHT + 12}">{names}</text>{"".join(lines)}</svg>'
    )

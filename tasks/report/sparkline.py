"""Draws a line plot with characters, for places that show no pictures."""

from datetime import datetime

from .plot import Points

BARS = "▁▂▃▄▅▆▇█"
COLUMNS = 48


def sparkline(points: Points, start: datetime, end: datetime) -> str:
    """Draws the highest value of each column. The lowest bar stands for 0."""
    width_seconds = (end - start).total_seconds() / COLUMNS
    columns = [0.0] * COLUMNS
    for at, value in points:
        column = min(COLUMNS - 1, int((at - start).total_seconds() / width_seconds))
        if at >= start:
            columns[column] = max(columns[column], value)
    highest = max(columns) or 1
    return "".join(BARS[round(value / highest * (len(BARS) - 1))] for value in columns)

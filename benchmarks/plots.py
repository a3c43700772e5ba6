"""Draws plots as SVG. This code uses no library, because bars are simple to draw."""

import math
from collections.abc import Sequence
from html import escape

ROW = 30
LEFT, WIDTH, RIGHT = 430, 380, 90
MET, MISSED, PLAIN = "#4c78a8", "#e45756", "#8ca0b8"
DECADES = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)


def ratios(rows: Sequence[tuple[str, float, float, float, float | None]]) -> str:
    """Draws rows of (name, median, low, high, wanted) on one logarithmic axis. Each row has a point with its
    interval, and a mark at the wanted ratio, if there is one. A line marks the ratio 1."""
    values = [value for _, median, low, high, wanted in rows for value in (median, low, high, wanted or 1)]
    lowest, highest = math.log(min([0.5, *values])), math.log(max([2.0, *values]))

    def at(value: float) -> float:
        return LEFT + WIDTH * (math.log(value) - lowest) / (highest - lowest)

    height = ROW * len(rows) + 30
    parts = _head(height)
    for tick in (tick for tick in DECADES if lowest <= math.log(tick) <= highest):
        parts.append(_line(at(tick), 6, at(tick), height - 22, "#333" if tick == 1 else "#ddd"))
        parts.append(_text(at(tick), height - 6, f"{tick:g}", "middle"))
    for number, (name, median, low, high, wanted) in enumerate(rows):
        y = 20 + number * ROW
        colour = PLAIN if wanted is None else MET if median >= wanted else MISSED
        parts.append(_text(LEFT - 10, y + 4, name, "end"))
        parts.append(_line(at(low), y, at(high), y, colour, 3))
        parts.append(f'<circle cx="{at(median):.1f}" cy="{y}" r="5" fill="{colour}"/>')
        parts.append(_text(LEFT + WIDTH + 12, y + 4, f"{median:.3g}"))
        if wanted is not None:
            parts.append(_line(at(wanted), y - 9, at(wanted), y + 9, "#222", 1.5))
    return "\n".join([*parts, "</svg>", ""])


def bars(groups: Sequence[tuple[str, str, Sequence[tuple[str, float]]]]) -> str:
    """Draws one group of bars for each `(group, unit, [(name, value), …])`. The bars of a group share one scale, which
    begins at 0."""
    parts = _head(sum(ROW * (len(values) + 1) for _, _, values in groups) + 20)
    y = 20
    for group, unit, values in groups:
        parts.append(_text(LEFT - 10, y + 4, f"{group} ({unit})" if unit else group, "end", bold=True))
        y += ROW
        most = max(value for _, value in values) or 1
        for name, value in values:
            parts.append(_text(LEFT - 10, y + 4, name, "end"))
            parts.append(
                f'<rect x="{LEFT}" y="{y - 8}" width="{WIDTH * value / most:.1f}" height="16" fill="{MET}"/>'
            )
            parts.append(_text(LEFT + WIDTH + 12, y + 4, f"{value:,.0f}" if value >= 100 else f"{value:.3g}"))
            y += ROW
    return "\n".join([*parts, "</svg>", ""])


def _head(height: int) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]


def _text(x: float, y: float, text: str, anchor: str = "start", *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'

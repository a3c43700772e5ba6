"""Plots as SVG, written by hand: no library is worth it for bars."""

from collections.abc import Sequence
from html import escape

ROW = 34
LEFT, WIDTH = 430, 380


def bars(rows: Sequence[tuple[str, float, float, float, float | None]]) -> str:
    """(name, median, low, high, wanted): a bar for each ratio, its interval, and a mark where it should be."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 90}" height="{ROW * len(rows) + 20}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, row in enumerate(rows):
        parts += _bar(*row, top=10 + number * ROW)
    return "\n".join([*parts, "</svg>", ""])


def _bar(name: str, median: float, low: float, high: float, wanted: float | None, *, top: int) -> list[str]:
    full = max(high, median, wanted or 0, 1e-9)
    scale = WIDTH / full
    colour = "#4c78a8" if wanted is None or median >= wanted else "#e45756"
    parts = [
        f'<text x="{LEFT - 8}" y="{top + 16}" text-anchor="end">{escape(name)}</text>',
        f'<rect x="{LEFT}" y="{top + 4}" width="{median * scale:.1f}" height="16" fill="{colour}"/>',
        f'<line x1="{LEFT + low * scale:.1f}" x2="{LEFT + high * scale:.1f}" y1="{top + 12}" y2="{top + 12}" '
        'stroke="black"/>',
        f'<text x="{LEFT + WIDTH + 8}" y="{top + 16}">{median:.2f}</text>',
    ]
    if wanted is not None:
        at = LEFT + wanted * scale
        parts.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{top + 24}" stroke="#222" stroke-dasharray="3 2"/>'
        )
    return parts

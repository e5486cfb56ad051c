"""A line picture as SVG, for curves that lie on one another: the second line is dashed, so that both are seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 320, 70, 20, 40, 46
COLOURS = ("#1b6ca8", "#d1495b", "#3a7d44", "#6c4f9c")
Points = Sequence[tuple[float, float]]


def lines(found: Mapping[str, Points], *, title: str, across: str, up: str) -> str:
    """The lines by name, on axes from 0 (or the least value, where it is negative) to the largest."""
    points = [point for line in found.values() for point in line if math.isfinite(point[1])]
    high_x = max((x for x, _ in points), default=1.0) or 1.0
    low_y, high_y = min([0.0, *(y for _, y in points)]), max((y for _, y in points), default=1.0) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + (WIDTH - LEFT - RIGHT) * x / high_x, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - low_y) / (high_y - low_y)

    drawn = [f'<text x="{LEFT}" y="22" font-size="15" font-weight="600">{escape(title)}</text>']
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = place(high_x * share, low_y + (high_y - low_y) * share)
        drawn.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        drawn.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_short(low_y + (high_y - low_y) * share)}</text>')
        drawn.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{_short(high_x * share)}</text>')
    drawn.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end" fill="#555">{escape(across)}</text>')
    drawn.append(f'<text x="{LEFT}" y="{TOP - 4}" fill="#555">{escape(up)}</text>')
    for number, (name, line) in enumerate(found.items()):
        colour, dash = COLOURS[number % len(COLOURS)], ' stroke-dasharray="5 5"' if number % 2 else ""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line if math.isfinite(point[1])))
        width = 2.0 if number % 2 else 3.5
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dash}/>')
        key = f'x1="{WIDTH - 190}" x2="{WIDTH - 160}" y1="{18 + 18 * number}" y2="{18 + 18 * number}"'
        drawn.append(f'<line {key} stroke="{colour}" stroke-width="{width}"{dash}/>')
        drawn.append(f'<text x="{WIDTH - 152}" y="{22 + 18 * number}">{escape(name)}</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>', *drawn, "</svg>\n"])


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"

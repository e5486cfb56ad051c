"""The cycles of a systolic array as one drawing that stands by itself: a grid a cycle, what enters at the left, what leaves below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sonde.report.html import Markup, tag
from sonde.report.numbers import Real, show
from sonde.report.svg import number

CELL, GAP, LEFT, BELOW, ABOVE = 62, 46, 34, 42, 30  # pixels; cells are wider where what leaves below them needs it
CLEAR = 8  # pixels between two labels, at least

# Pixels of a bold letter of 12 pixels in DejaVu Sans, the widest of the fonts that STYLE may come down to.
NARROW, LETTER, SIGN = 5.4, 8.4, 10.1

STYLE = """
text { font: 12px system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif; fill: #1a2129; text-anchor: middle; }
.title { font-size: 15px; font-weight: 600; text-anchor: start; } .cycle { font-weight: 600; text-anchor: start; }
.soft { fill: #5b6672; text-anchor: start; } .ground { fill: #fcfcfa; }
.idle { fill: #f1f2ef; stroke: #d7dad5; } .busy { fill: #d6e8f3; stroke: #0b6396; } .weight { fill: #5b6672; font-size: 10px; }
.sum { font-size: 13px; font-weight: 600; } .enters { fill: #0b6396; } .leaves { fill: #c2500f; font-weight: 600; }
.arrow { stroke: #8b95a0; fill: none; }
"""


@dataclass(frozen=True)
class Grid:
    """One cycle. Rows of elements by `weights`, `inputs`, `sums` and `busy`.

    `leaving` are (column of the grid, what it is: "y₁₁ =", value); `note` says which tile.
    """

    number: int
    weights: Sequence[Sequence[Real]]
    inputs: Sequence[Sequence[Real]]
    sums: Sequence[Sequence[Real]]
    busy: Sequence[Sequence[bool]]
    leaving: Sequence[tuple[int, str, Real]]
    note: str = ""


def draw(title: str, said: str, grids: Sequence[Grid], *, across: int = 4) -> str:
    """All `grids`, `across` in a row, as an SVG file."""
    rows, columns = len(grids[0].weights), len(grids[0].weights[0])
    labels = [_leaves(name, value) for grid in grids for _, name, value in grid.leaving]
    cell = max([CELL, *(math.ceil(breadth(text)) + CLEAR for text in labels)])
    heads = [math.ceil(breadth(_head(grid))) + 2 * CLEAR for grid in grids]
    width, height = LEFT + max(columns * cell + GAP, *heads), ABOVE + rows * CELL + BELOW + 12
    across = max(1, min(across, len(grids), 1400 // width))
    lines = -(-len(grids) // across)
    whole = (max(across * width + 20, 9 * len(said) * 2 // 3), 64 + lines * height)
    parts = [tag("style", None, Markup(STYLE)), tag("rect", {"class": "ground", "width": "100%", "height": "100%"})]
    parts += [_text(20, 26, title, "title"), _text(20, 46, said, "soft")]
    for place, grid in enumerate(grids):
        x, y = 20 + place % across * width, 64 + place // across * height
        parts.append(tag("g", {"transform": f"translate({x} {y})"}, _grid(grid, cell)))
    head = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {whole[0]} {whole[1]}", "width": whole[0], "height": whole[1], "role": "img"}
    return tag("svg", head, tag("title", None, title), parts) + "\n"


def breadth(text: str) -> float:
    """How many pixels a label takes at most."""
    return sum(NARROW if letter in " ,.·₀₁₂₃₄₅₆₇₈₉" else SIGN if letter in "=+−" else LETTER for letter in text)


def _head(grid: Grid) -> str:
    return f"cycle {grid.number}{f' · {grid.note}' if grid.note else ''}"


def _leaves(name: str, value: Real) -> str:
    return f"{name} {_short(value)}"


def _grid(grid: Grid, cell: int) -> list[Markup]:
    """One cycle, in columns `cell` pixels wide."""
    parts = [_text(LEFT, 14, _head(grid), "cycle")]
    rows = len(grid.weights)
    for i in range(rows):
        for j in range(len(grid.weights[i])):
            x, y = LEFT + j * cell, ABOVE + i * CELL
            busy = grid.busy[i][j]
            parts.append(tag("rect", {"class": "busy" if busy else "idle", "x": x + 2, "y": y + 2, "width": cell - 4, "height": CELL - 4, "rx": 5}))
            parts.append(_text(x + cell / 2, y + 17, f"w = {_short(grid.weights[i][j])}", "weight"))
            if busy:
                parts.append(_text(x + cell / 2, y + 33, f"x = {_short(grid.inputs[i][j])}", "enters"))
                parts.append(_text(x + cell / 2, y + 51, _short(grid.sums[i][j]), "sum"))
        if grid.busy[i][0]:
            parts.append(_text(LEFT - 20, ABOVE + i * CELL + CELL / 2 + 4, _short(grid.inputs[i][0]), "enters"))
            parts.append(_arrow(LEFT - 9, ABOVE + i * CELL + CELL / 2, LEFT, ABOVE + i * CELL + CELL / 2))
    for column, name, value in grid.leaving:
        middle, end = LEFT + (column + 0.5) * cell, ABOVE + rows * CELL
        parts.append(_arrow(middle, end, middle, end + 9))
        parts.append(_text(middle, end + 24, _leaves(name, value), "leaves"))
    return parts


def _short(value: Real) -> str:
    return show(value, 3)


def _text(x: Real, y: Real, words: str, kind: str) -> Markup:
    return tag("text", {"x": number(x), "y": number(y), "class": kind}, words)


def _arrow(x1: Real, y1: Real, x2: Real, y2: Real) -> Markup:
    tip = f"M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"
    back = "m-3 -3l3 3l-3 3" if y1 == y2 else "m-3 -3l3 3l3 -3"
    return tag("path", {"class": "arrow", "d": tip + back})

"""Drawings over a plane: the loss around some weights with the path of the steps, and which class is predicted where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from sonde.report.html import Markup, figure, shorten, tag
from sonde.report.lines import legend
from sonde.report.numbers import Real, show
from sonde.report.scale import Scale, Tick, linear
from sonde.report.svg import WIDTH, Frame, chart, dots, label, marker, number, path, rectangle

LEVELS = 10
Corner = tuple[Real, Real, Real]


def surface(
    title: str,
    xs: Sequence[Real],
    ys: Sequence[Real],
    values: Sequence[Sequence[Real | None]],
    *,
    walk: Sequence[tuple[Real, Real]] = (),
    x_label: str = "",
    y_label: str = "",
    note: object = None,
    height: Real = 320,
) -> Markup:
    """`values[row][column]` at (`xs[column]`, `ys[row]`) as filled contours, deeper where lower, with a path over them."""
    known = [value for row in values for value in row if value is not None]
    if len(xs) < 2 or len(ys) < 2 or len(values) != len(ys) or any(len(row) != len(xs) for row in values) or not known:
        return Markup("")
    x = linear([*xs, *[a for a, _ in walk]], 0, WIDTH, tight=True)
    y = linear([*ys, *[b for _, b in walk]], height, 0, tight=True)
    worst = max(known)
    filled = [[worst if value is None else value for value in row] for row in values]
    across, up = [x.place(a) for a in xs], [y.place(b) for b in ys]
    levels = thresholds(known)
    layers = [path_of(below(across, up, filled, each), "contour") for each in reversed(levels)]
    places = [(x.place(a), y.place(b)) for a, b in walk]
    layers += [path(places, "line walk")] if len(places) > 1 else []
    layers += [dots(places[1:-1], "point walk")] if 2 < len(places) <= 80 else []
    marks = []
    if places:
        marks.append(marker(*places[0], "walk-start", radius=5, title="start"))
        marks.append(marker(*places[-1], "walk-end", radius=5, title="end"))
        marks.append(_word("start", places[0]))
        marks.append(_word("end", places[-1]))
    if y_label:
        marks.append(label(0, 0, y_label, kind="axis-label", dy=-4))
    said = f"values from {show(min(known))} to {show(worst)}; the deeper the colour, the lower" + (
        f"; a path of {len(walk)} points" if walk else ""
    )
    drawing = chart(Frame(x, y, height, x_label, grid=False), title=title, description=said, layers=layers, marks=marks)
    scale = tag(
        "p",
        {"class": "ramp", "aria-hidden": "true"},
        tag("span", None, f"low {show(min(known), 3)}"),
        tag("i"),
        tag("span", None, f"high {show(worst, 3)}"),
    )
    return figure(title, drawing, note=note, legend=scale)


def thresholds(known: Sequence[Real], count: int = LEVELS) -> list[Real]:
    """Contour levels: even steps, or even ratios where the largest is over 30 times the least."""
    low, high = min(known), max(known)
    if low > 0 and high / low > 30:
        return [low * (high / low) ** ((index + 1) / (count + 1)) for index in range(count)]
    return [low + (high - low) * (index + 1) / (count + 1) for index in range(count)]


def below(across: Sequence[Real], up: Sequence[Real], values: Sequence[Sequence[Real]], level: Real) -> list[list[tuple[Real, Real]]]:
    """The polygons in which the values, interpolated along the edges of each cell, are at most `level`.

    Cells that lie wholly below are joined along their row, which keeps the drawing small.
    """
    polygons: list[list[tuple[Real, Real]]] = []
    for row in range(len(up) - 1):
        start: int | None = None
        for column in range(len(across)):
            inside = (
                column < len(across) - 1
                and max(values[row][column], values[row][column + 1], values[row + 1][column], values[row + 1][column + 1]) <= level
            )
            if inside and start is None:
                start = column
            if not inside and start is not None:
                left, right = across[start], across[column]
                polygons.append([(left, up[row]), (right, up[row]), (right, up[row + 1]), (left, up[row + 1])])
                start = None
            if not inside and column < len(across) - 1:
                corners = [
                    (across[c], up[r], values[r][c])
                    for r, c in ((row, column), (row, column + 1), (row + 1, column + 1), (row + 1, column))
                ]
                polygon = clip(corners, level)
                if len(polygon) > 2:
                    polygons.append(polygon)
    return polygons


def clip(corners: Sequence[Corner], level: Real) -> list[tuple[Real, Real]]:
    """The part of a polygon whose value is at most `level` (Sutherland and Hodgman's cut, with the value as distance)."""
    kept: list[tuple[Real, Real]] = []
    for index, (x, y, value) in enumerate(corners):
        before_x, before_y, before = corners[index - 1]
        if (before <= level) != (value <= level):
            part = (level - before) / (value - before)
            kept.append((before_x + part * (x - before_x), before_y + part * (y - before_y)))
        if value <= level:
            kept.append((x, y))
    return kept


def path_of(polygons: Sequence[Sequence[tuple[Real, Real]]], kind: str) -> Markup:
    """Many polygons as one path, so that no seams show between them."""
    steps = "".join("M" + "L".join(f"{number(x)} {number(y)}" for x, y in polygon) + "Z" for polygon in polygons)
    return tag("path", {"class": kind, "d": steps}) if steps else Markup("")


def regions(
    title: str,
    xs: Sequence[Real],
    ys: Sequence[Real],
    cells: Sequence[Sequence[int]],
    *,
    classes: Sequence[str],
    points: Sequence[tuple[Real, Real, int]] = (),
    x_label: str = "",
    y_label: str = "",
    note: object = None,
    height: Real = 300,
) -> Markup:
    """The class predicted at each (`xs[column]`, `ys[row]`) as coloured ground, with examples in their true colours."""
    if len(xs) < 2 or len(ys) < 2 or len(cells) != len(ys) or any(len(row) != len(xs) for row in cells):
        return Markup("")
    x, y = linear(xs, 0, WIDTH, tight=True), linear(ys, height, 0, tight=True)
    layers = [_ground(x, y, xs, ys, cells, index) for index in range(len(classes))]
    for index in range(len(classes)):
        places = [(x.place(a), y.place(b)) for a, b, c in points if c == index and x.low <= a <= x.high and y.low <= b <= y.high]
        layers += [dots(places, "point halo"), dots(places, f"point s{index % 8}")]
    marks = [label(0, 0, y_label, kind="axis-label", dy=-4)] if y_label else []
    said = (
        f"which of {len(classes)} classes is predicted where, {x_label or 'across'} against {y_label or 'up'}; {len(points)} examples on it"
    )
    drawing = chart(Frame(x, y, height, x_label, grid=False), title=title, description=said, layers=layers, marks=marks)
    entries = [(shorten(word, 32), f"s{index % 8}", False) for index, word in enumerate(classes[:12])]
    return figure(title, drawing, note=note, legend=legend(entries))


def _ground(x: Scale, y: Scale, xs: Sequence[Real], ys: Sequence[Real], cells: Sequence[Sequence[int]], index: int) -> Markup:
    across, up = _edges([x.place(value) for value in xs], x), _edges([y.place(value) for value in ys], y)
    polygons = []
    for row, line in enumerate(cells):
        start: int | None = None
        for column in range(len(line) + 1):
            inside = column < len(line) and line[column] == index
            if inside and start is None:
                start = column
            if not inside and start is not None:
                left, right = across[start], across[column]
                polygons.append([(left, up[row]), (right, up[row]), (right, up[row + 1]), (left, up[row + 1])])
                start = None
    return path_of(polygons, f"region s{index % 8}")


def _edges(places: Sequence[Real], scale: Scale) -> list[Real]:
    """Borders half-way between the places, the outer ones where the axis ends."""
    middle = [(a + b) / 2 for a, b in pairwise(places)]
    return [scale.start, *middle, scale.end] if (places[-1] > places[0]) == (scale.end > scale.start) else [scale.end, *middle, scale.start]


def heat_map(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[Real | None]],
    *,
    log: bool = False,
    x_label: str = "",
    note: object = None,
) -> Markup:
    """A value for each pair of row and column as depth of colour, the number where it is pointed at."""
    known = [value for row in values for value in row if value is not None and (not log or value > 0)]
    if not known or len(values) != len(rows) or any(len(row) != len(columns) for row in values):
        return Markup("")
    low, high = min(known), max(known)

    def depth(value: Real) -> float:
        if high == low:
            return 0.5
        return math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)

    width, row = WIDTH / len(columns), max(2.0, min(16.0, 240 / len(rows)))
    height = row * len(rows)
    cells = []
    for r, line in enumerate(values):
        for c, value in enumerate(line):
            if value is not None and (not log or value > 0):
                said = f"{shorten(rows[r], 40)}, {shorten(columns[c], 40)}: {show(value)}"
                cells.append(
                    rectangle(
                        c * width,
                        r * row,
                        width - 1,
                        row - (1 if row > 5 else 0),
                        "fill validation",
                        opacity=0.08 + 0.92 * depth(value),
                        title=said,
                    )
                )
    x = Scale(0, len(columns), 0, WIDTH, tuple(Tick(c + 0.5, columns[c]) for c in range(len(columns))))
    y = Scale(0, len(rows), 0, height, tuple(Tick(r + 0.5, shorten(word, 16)) for r, word in enumerate(rows) if row >= 13))
    said = f"{len(rows)} rows by {len(columns)} columns, from {show(low)} to {show(high)}"
    drawing = chart(Frame(x, y, height, x_label, grid=False), title=title, description=said, layers=cells)
    return figure(title, drawing, note=note)


def _word(word: str, place: tuple[Real, Real]) -> Markup:
    right = place[0] > 0.8 * WIDTH
    return label(place[0], place[1], word, kind="remark strong haloed", anchor="end" if right else "start", dx=-9 if right else 9, dy=4)

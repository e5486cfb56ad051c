"""Line charts: several lines, bands of uncertainty, shaded regions, marked points, linear, logarithmic or dated axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise

from sonde.report.html import Markup, figure, shorten, tag
from sonde.report.numbers import Real, show
from sonde.report.scale import Scale, Tick, dated, linear, logarithmic
from sonde.report.svg import WIDTH, Frame, Hover, chart, dots, label, marker, path, rectangle, stretched, upright

# What is counted in whole numbers, so that marks between them would mislead.
WHOLE = ("epoch", "step", "position")

Point = tuple[Real, Real | None]


@dataclass(frozen=True)
class Line:
    """One line. A point without a value is a gap. `kind` names its colour: training, validation, test, s0 … s7.

    With `spread`, a band of that half width is drawn around each point. `faint` lines stand behind, without a legend.
    `pointed` also marks every point.
    """

    name: str
    points: Sequence[Point]
    kind: str
    spread: Sequence[Real | None] | None = None
    faint: bool = False
    pointed: bool = False
    dashed: bool = False

    def known(self) -> list[tuple[Real, Real]]:
        """The points that have a value."""
        return [(x, y) for x, y in self.points if y is not None and math.isfinite(y) and math.isfinite(x)]


@dataclass(frozen=True)
class Mark:
    """A point to look at, with a word beside it."""

    x: Real
    y: Real
    word: str


@dataclass(frozen=True)
class Zone:
    """A shaded range of y."""

    low: Real
    high: Real
    word: str


def line_chart(
    title: str,
    lines: Sequence[Line],
    *,
    description: str | None = None,
    x_label: str = "",
    log: bool = False,
    log_x: bool = False,
    days: bool = False,
    percent: bool = False,
    marks: Sequence[Mark] = (),
    zones: Sequence[Zone] = (),
    since: Real | None = None,
    note: object = None,
    height: Real = 200,
    x_names: Sequence[str] | None = None,
    x_ticks: Sequence[Real] | None = None,
    include: Sequence[Real] = (),
    size: str = "",
) -> Markup:
    """A figure with `lines` and a legend; an empty text where no line has a point.

    `days`: x are date ordinals. `since`: from this x on the ground is shaded (what was unseen). `x_names` name
    x = 0, 1, 2 … when pointed at. `x_ticks` are the only values of x to mark. `include` are y values that must be in sight.
    """
    drawn = [line for line in lines if line.known()]
    if not drawn:
        return Markup("")
    x = _x_scale(drawn, days=days, log=log_x, names=x_names, whole=x_label in WHOLE)
    if x_ticks is not None:
        ticks = tuple(Tick(value, show(value)) for value in x_ticks)
        x = replace(x, ticks=ticks, low=min(x_ticks), high=max(x_ticks)) if min(x_ticks) < max(x_ticks) else replace(x, ticks=ticks)
    y = _y_scale(drawn, zones, log=log, percent=percent, height=height, include=include)
    layers = [_ground(x, since, height)] if since is not None else []
    layers += [_zone(zone, y) for zone in zones]
    for line in sorted(drawn, key=lambda line: not line.faint):
        layers += _draw(line, x, y)
    named = [line for line in drawn if not line.faint]
    said = description or ". ".join(_say(line) for line in named[:8])
    hover = Hover(x, [(line.name, line.known()) for line in named[:8]], x_names, days, percent)
    overlay = [piece for mark in marks for piece in _mark(mark, x, y, height, drawn)]
    if since is not None:
        overlay.append(label(x.place(since), 0, "unseen from here", kind="remark", dx=5, dy=11))
    overlay += [label(0, y.place(zone.high), zone.word, kind="remark", dx=6, dy=13) for zone in zones]
    drawing = chart(Frame(x, y, height, x_label), title=title, description=said, layers=layers, marks=overlay, hover=hover)
    return figure(title, drawing, note=note, legend=legend([(line.name, line.kind, line.dashed) for line in named]), size=size)


def legend(entries: Sequence[tuple[str, str, bool]]) -> Markup | None:
    """Which colour is what; one line alone needs none when its name is empty."""
    shown = [entry for entry in entries if entry[0]]
    if not shown:
        return None
    rows = []
    for word, kind, dashed in shown:
        swatch = path([(0, 5), (WIDTH, 5)], f"line {kind}{' dashed' if dashed else ''}")
        drawing = tag("svg", {"class": "swatch", "width": "22", "height": "10", "aria-hidden": "true"}, stretched([swatch], 10))
        rows.append(tag("li", None, drawing, tag("span", {"class": "name"}, word)))
    return tag("ul", {"class": "legend"}, rows)


def thin(points: Sequence[Point], limit: int = 300) -> list[Point]:
    """At most about `limit` points that look the same: the least and the largest of each stretch, gaps kept."""
    if len(points) <= limit:
        return list(points)
    width = math.ceil(2 * len(points) / limit)
    kept: list[Point] = [points[0]]
    for start in range(0, len(points), width):
        stretch = points[start : start + width]
        known = [(y, index) for index, (_, y) in enumerate(stretch) if y is not None]
        if len(known) < len(stretch):
            kept.append(next(point for point in stretch if point[1] is None))
        if known:
            kept += [stretch[index] for index in sorted({min(known)[1], max(known)[1]})]
    kept.append(points[-1])
    return sorted(dict.fromkeys(kept), key=lambda point: point[0])


def smooth(points: Sequence[tuple[Real, Real]], width: int) -> list[Point]:
    """The running mean over `width` neighbours, fewer at the ends, the same number on both sides."""
    total = [0.0]
    for _, y in points:
        total.append(total[-1] + y)
    smoothed: list[Point] = []
    for index, (x, _) in enumerate(points):
        side = min(width // 2, index, len(points) - 1 - index)
        smoothed.append((x, (total[index + side + 1] - total[index - side]) / (2 * side + 1)))
    return smoothed


def _x_scale(lines: Sequence[Line], *, days: bool, log: bool, names: Sequence[str] | None, whole: bool) -> Scale:
    values = [x for line in lines for x, _ in line.known()]
    if names is not None and 1 < len(names) <= 12:
        ticks = tuple(Tick(float(index), shorten(name, 12)) for index, name in enumerate(names))
        return Scale(0.0, len(names) - 1.0, 0, WIDTH, ticks)
    if days:
        return dated([date.fromordinal(int(value)) for value in values], 0, WIDTH)
    if log and min(values) > 0:
        return logarithmic(values, 0, WIDTH)
    return linear(values, 0, WIDTH, tight=True, whole=whole)


def _y_scale(lines: Sequence[Line], zones: Sequence[Zone], *, log: bool, percent: bool, height: Real, include: Sequence[Real]) -> Scale:
    values: list[Real] = []
    for line in lines:
        spread = line.spread or [None] * len(line.points)
        for (_, y), half in zip(line.points, spread, strict=True):
            if y is not None and math.isfinite(y):
                values += [y] if half is None else [y - half, y + half]
    ends = [end for zone in zones for end in (zone.low, zone.high)] + list(include)
    if log and any(value > 0 for value in values):
        return logarithmic(values, height, 0, include=ends)
    return linear(values, height, 0, include=ends, percent=percent)


def _draw(line: Line, x: Scale, y: Scale) -> list[Markup]:
    kind = f"line {line.kind}{' faint' if line.faint else ''}{' dashed' if line.dashed else ''}"
    layers: list[Markup] = []
    if line.spread is not None:
        pairs = [
            (at, value, half) for (at, value), half in zip(line.points, line.spread, strict=True) if value is not None and half is not None
        ]
        upper = [(x.place(at), y.place(value + half)) for at, value, half in pairs]
        lower = [(x.place(at), y.place(value - half)) for at, value, half in reversed(pairs)]
        if len(pairs) > 1:
            layers.append(path(upper + lower, f"band {line.kind}", closed=True))
    piece: list[tuple[Real, Real]] = []
    for at, value in line.points:
        if value is None or not math.isfinite(value) or (y.log and value <= 0):
            layers.append(path(piece, kind))
            piece = []
        else:
            piece.append((x.place(at), y.place(value)))
    layers.append(path(piece, kind))
    if line.pointed:
        layers.append(dots([(x.place(at), y.place(value)) for at, value in line.known() if not y.log or value > 0], kind))
    return layers


def _mark(mark: Mark, x: Scale, y: Scale, height: Real, lines: Sequence[Line]) -> list[Markup]:
    """A ring, a line over the height, and the word where the lines leave most room: right or left, above or below."""
    place, high = x.place(mark.x), y.place(mark.y)
    points = [
        point for line in lines for point in _along([(x.place(at), y.place(value)) for at, value in line.known() if not y.log or value > 0])
    ]

    def crowd(right: bool, below: bool) -> int:
        start, top = place if right else place - 260, high + 4 if below else high - 26
        return sum(start <= a <= start + 260 and top <= b <= top + 22 for a, b in points)

    sides = [right for right in (True, False) if (place < 0.78 * WIDTH if right else place > 0.22 * WIDTH)]
    heights = [below for below in (False, True) if (high + 24 < height if below else high > 26)]
    right, below = min(((right, below) for right in sides for below in heights), key=lambda choice: crowd(*choice))
    anchor, shift = ("start", 7) if right else ("end", -7)
    word = label(place, high + 20 if below else high - 12, mark.word, kind="remark strong", anchor=anchor, dx=shift)
    return [upright(place, height, "best"), marker(place, high, "best", title=mark.word), word]


def _along(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Places on the line through `points`, at most 25 of the width's thousandths apart."""
    places = list(points[:1])
    for (x1, y1), (x2, y2) in pairwise(points):
        parts = max(1, math.ceil((x2 - x1) / 25))
        places += [(x1 + (x2 - x1) * part / parts, y1 + (y2 - y1) * part / parts) for part in range(1, parts + 1)]
    return places


def _zone(zone: Zone, y: Scale) -> Markup:
    top, bottom = y.place(zone.high), y.place(zone.low)
    return rectangle(0, top, WIDTH, bottom - top, "zone")


def _ground(x: Scale, since: Real, height: Real) -> Markup:
    return rectangle(x.place(since), 0, WIDTH - x.place(since), height, "zone")


def _say(line: Line) -> str:
    points = line.known()
    low, high = min(y for _, y in points), max(y for _, y in points)
    first, last = points[0][1], points[-1][1]
    return f"{line.name or 'the line'}: {show(first)} at first, {show(last)} at last, between {show(low)} and {show(high)}"


def sparkline(values: Sequence[Real | None], *, title: str, kind: str = "validation") -> Markup:
    """A small line without axes, for a table."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < 2:
        return Markup("")
    low, high = min(known), max(known)
    room = (high - low) or 1.0
    last = max(len(values) - 1, 1)
    points = [
        (index / last * WIDTH, 22 - (value - low) / room * 20)
        for index, value in enumerate(values)
        if value is not None and math.isfinite(value)
    ]
    attributes = {"class": "spark", "role": "img", "aria-label": title, "width": "96", "height": "24"}
    return tag("svg", attributes, tag("title", None, title), stretched([path(points, f"line {kind}")], 24))

"""Drawing: paths, axes and marks of a chart that keeps its letters the same size at every width.

A chart is an `<svg>` as wide as the page allows and of fixed height. Its padding holds the labels. Marks and labels
are placed in per cent of the width, so that they move but do not stretch; lines and areas live in an inner `<svg>` of
width 1000 that stretches, with strokes that do not. Colours are classes that the page's style gives a light and a
dark value. Output depends on the input alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sonde.report.html import Markup, join, tag
from sonde.report.numbers import Real
from sonde.report.scale import Scale, Tick

WIDTH = 1000.0


@dataclass(frozen=True)
class Frame:
    """The axes of a chart `height` pixels high, labels not counted."""

    x: Scale
    y: Scale
    height: Real
    x_label: str = ""
    grid: bool = True


@dataclass(frozen=True)
class Hover:
    """What is read off when the chart is pointed at: the x axis and, for each line, its name and points.

    `days`: x are ordinals of dates; `percent`: y are shares; `names`: what to call x = 0, 1, 2 …
    """

    x: Scale
    lines: Sequence[tuple[str, Sequence[tuple[Real, Real]]]]
    names: Sequence[str] | None = None
    days: bool = False
    percent: bool = False

    def json(self) -> str:
        """As the page's script reads it."""
        lines = [[line, [[short(x), short(y)] for x, y in points]] for line, points in self.lines]
        table: dict[str, object] = {"low": short(self.x.low), "high": short(self.x.high), "log": self.x.log, "lines": lines}
        table |= {"days": self.days, "percent": self.percent}
        if self.names is not None:
            table["names"] = [name[:60] for name in self.names]
        return json.dumps(table, separators=(",", ":"), ensure_ascii=False)


def short(value: Real) -> float | int:
    """A number with the digits that a reader can use, whole where it is whole."""
    rounded = float(f"{value:.5g}")
    return int(rounded) if rounded == int(rounded) and abs(rounded) < 1e15 else rounded


def number(value: Real) -> str:
    """A coordinate: two decimals at most."""
    shown = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if shown in ("-0", "") else shown


def share(x: Real) -> str:
    """A place on the width as per cent."""
    return f"{number(x / WIDTH * 100)}%"


def path(points: Sequence[tuple[Real, Real]], kind: str, *, closed: bool = False) -> Markup:
    """A line through `points` (x in 0 … 1000, y in pixels); one point alone becomes a dot."""
    if not points:
        return Markup("")
    if len(points) == 1:
        return dots(points, kind)
    steps = [f"{number(x)} {number(y)}" for x, y in points]
    return tag("path", {"class": kind, "d": "M" + "L".join(steps) + ("Z" if closed else "")})


def dots(points: Iterable[tuple[Real, Real]], kind: str) -> Markup:
    """Round dots, all in one path: lines of no length with round ends."""
    steps = "".join(f"M{number(x)} {number(y)}h0" for x, y in points)
    return tag("path", {"class": f"{kind} dots", "d": steps}) if steps else Markup("")


def rectangle(x: Real, y: Real, width: Real, height: Real, kind: str, *, opacity: Real | None = None, title: str | None = None) -> Markup:
    """A box, x and width in 0 … 1000."""
    attributes = {
        "class": kind,
        "x": number(x),
        "y": number(y),
        "width": number(max(width, 0)),
        "height": number(max(height, 0)),
        "fill-opacity": None if opacity is None else number(opacity),
    }
    return tag("rect", attributes, tag("title", None, title) if title else None)


def marker(x: Real, y: Real, kind: str, *, radius: Real = 4, title: str | None = None) -> Markup:
    """A round mark at x (0 … 1000), y that does not stretch."""
    attributes = {"class": kind, "cx": share(x), "cy": number(y), "r": number(radius)}
    return tag("circle", attributes, tag("title", None, title) if title else None)


def label(x: Real, y: Real, text: str, *, kind: str = "", anchor: str = "start", dx: Real = 0, dy: Real = 0) -> Markup:
    """Letters at x (0 … 1000), y, moved by `dx`, `dy` pixels."""
    attributes = {
        "x": share(x),
        "y": number(y),
        "dx": number(dx) if dx else None,
        "dy": number(dy) if dy else None,
        "text-anchor": None if anchor == "start" else anchor,
        "class": kind or None,
    }
    return tag("text", attributes, text)


def upright(x: Real, height: Real, kind: str) -> Markup:
    """A vertical line over the whole height."""
    return tag("line", {"class": kind, "x1": share(x), "x2": share(x), "y1": "0", "y2": number(height)})


def level(y: Real, kind: str) -> Markup:
    """A horizontal line over the whole width."""
    return tag("line", {"class": kind, "x1": "0", "x2": "100%", "y1": number(y), "y2": number(y)})


def chart(
    frame: Frame,
    *,
    title: str,
    description: str,
    layers: Sequence[Markup] = (),
    marks: Sequence[Markup] = (),
    hover: Hover | None = None,
) -> Markup:
    """A chart: `layers` stretch with the width, `marks` stand above them and do not."""
    left = 14 + 6.7 * max([len(tick.label) for tick in frame.y.ticks], default=0)
    bottom = 38 if frame.x_label else 24
    style = f"height:{number(frame.height + 14 + bottom)}px;padding:14px 14px {bottom}px {number(left)}px"
    attributes = {"class": "chart", "role": "img", "aria-label": f"{title}. {description}", "style": style}
    if hover is not None:
        attributes["data-hover"] = hover.json()
    return tag(
        "svg",
        attributes,
        tag("title", None, title),
        tag("desc", None, description),
        _axes(frame),
        stretched(layers, frame.height),
        marks,
    )


def stretched(layers: Iterable[Markup], height: Real) -> Markup:
    """The inner drawing, 1000 wide, that stretches with the page while its strokes do not."""
    attributes = {
        "class": "plot",
        "viewBox": f"0 0 1000 {number(height)}",
        "preserveAspectRatio": "none",
        "width": "100%",
        "height": number(height),
        "overflow": "visible",
    }
    return tag("svg", attributes, join(layers))


def _axes(frame: Frame) -> Markup:
    parts: list[Markup] = []
    for tick in frame.y.ticks:
        y = frame.y.place(tick.value)
        if frame.grid:
            parts.append(level(y, "grid"))
        parts.append(label(0, y, tick.label, anchor="end", dx=-8, dy=4))
    for tick in spaced(frame.x):
        x, half = frame.x.place(tick.value), _half(tick.label)
        ends = {"x1": share(x), "x2": share(x), "y1": number(frame.height), "y2": number(frame.height + 4)}
        parts.append(tag("line", {"class": "tick", **ends}))
        anchor = "middle" if half / 2 < x < WIDTH - half / 2 or len(tick.label) < 5 else "end" if x > WIDTH / 2 else "start"
        parts.append(label(x, frame.height, tick.label, anchor=anchor, dy=17))
    parts.append(level(frame.height, "axis"))
    if frame.x_label:
        parts.append(label(WIDTH, frame.height, frame.x_label, kind="axis-label", anchor="end", dy=33))
    return tag("g", {"class": "axes"}, parts)


def spaced(x: Scale) -> tuple[Tick, ...]:
    """Every tick, or every second, third … so that labels do not touch on the narrowest page."""
    for every in range(1, len(x.ticks) + 1):
        chosen = x.ticks[::every]
        places = [(x.place(tick.value), _half(tick.label)) for tick in chosen]
        if all(a + half + 8 <= b - other for (a, half), (b, other) in pairwise(places)):
            return chosen
    return x.ticks[:1]


def _half(text: str) -> float:
    # On the narrowest page a letter takes about 2.3 % of the width.
    return 11.5 * len(text)

"""Bars in rows of a table, histograms, and the small histograms that stand in a table of columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sonde.report.html import Markup, figure, name, tag
from sonde.report.lines import legend
from sonde.report.numbers import Real, show
from sonde.report.scale import linear
from sonde.report.svg import WIDTH, Frame, chart, label, marker, number, rectangle, share, upright


@dataclass(frozen=True)
class Bar:
    """One row: pieces (value, kind) laid end to end, a standard deviation, and what stands beside it."""

    label: object
    pieces: Sequence[tuple[Real, str]]
    shown: object
    spread: Real | None = None
    title: str = ""


def bars(title: str, rows: Sequence[Bar], *, legend_of: Sequence[tuple[str, str]] = (), note: object = None, size: str = "") -> Markup:
    """Horizontal bars as a table, so that long names are cut by the page and every number can be read aloud."""
    if not rows:
        return Markup("")
    reach = [(sum(value for value, _ in row.pieces), row.spread or 0.0) for row in rows]
    high = max([0.0, *[total + spread for total, spread in reach]])
    low = min([0.0, *[total - spread for total, spread in reach if total < 0 or spread > 0]])
    room = (high - low) or 1.0

    def place(value: Real) -> float:
        return (value - low) / room * WIDTH

    body = []
    for row in rows:
        drawing = tag("svg", {"class": "bar", "width": "100%", "height": "14", "aria-hidden": "true"}, _bar(row, place))
        head = tag(
            "th",
            {"scope": "row", "title": row.title or None},
            name(row.label) if isinstance(row.label, str) and not isinstance(row.label, Markup) else row.label,
        )
        body.append(tag("tr", None, head, tag("td", {"class": "drawing"}, drawing), tag("td", {"class": "number"}, row.shown)))
    inner = tag("table", {"class": "bars"}, tag("caption", {"class": "hidden"}, title), tag("tbody", None, body))
    return figure(title, inner, note=note, legend=legend([(word, kind, False) for word, kind in legend_of]), size=size)


def _bar(row: Bar, place: object) -> list[Markup]:
    assert callable(place)
    parts: list[Markup] = []
    at = 0.0
    for value, kind in row.pieces:
        left, right = sorted((place(at), place(at + value)))
        box = {"class": f"fill {kind}", "x": share(left), "y": "2", "width": share(right - left), "height": "10", "rx": "1.5"}
        parts.append(tag("rect", box))
        at += value
    if row.spread:
        left, right = place(at - row.spread), place(at + row.spread)
        parts.append(tag("line", {"class": "whisker", "x1": share(left), "x2": share(right), "y1": "7", "y2": "7"}))
    if place(0.0) > 0:
        parts.append(tag("line", {"class": "axis", "x1": share(place(0.0)), "x2": share(place(0.0)), "y1": "0", "y2": "14"}))
    return parts


def histogram(
    title: str,
    edges: Sequence[Real],
    counts: Sequence[Real],
    *,
    x_label: str = "",
    note: object = None,
    height: Real = 160,
    at: tuple[Real, str] | None = None,
    percent: bool = False,
) -> Markup:
    """Counts between edges, drawn to scale on both axes; `at` marks a value with a word."""
    if len(edges) != len(counts) + 1 or not counts or edges[-1] <= edges[0]:
        return Markup("")
    x = linear(edges, 0, WIDTH, tight=True, percent=percent)
    y = linear(counts, height, 0, include=(0.0,), count=4)
    boxes = []
    for low, high, many in zip(edges, edges[1:], counts, strict=False):
        left, right, top = x.place(low), x.place(high), y.place(many)
        said = f"{show(low)} to {show(high)}: {show(many)}"
        gap = min(2.0, (right - left) * 0.12)
        boxes.append(rectangle(left + gap / 2, top, right - left - gap, height - top, "fill validation", title=said))
    fullest = max(range(len(counts)), key=lambda index: counts[index])
    said = f"{show(sum(counts))} values from {show(edges[0])} to {show(edges[-1])}, most of them between {show(edges[fullest])} and {show(edges[fullest + 1])}"
    marks = [upright(x.place(at[0]), height, "best"), label(x.place(at[0]), 0, at[1], kind="remark", dx=5, dy=10)] if at else []
    return figure(title, chart(Frame(x, y, height, x_label), title=title, description=said, layers=boxes, marks=marks), note=note)


def mini_histogram(counts: Sequence[Real], *, title: str) -> Markup:
    """A histogram of 96 × 24 pixels for a row of a table."""
    if not counts or max(counts) <= 0:
        return Markup("")
    width, top = 96 / len(counts), max(counts)
    boxes = []
    for index, many in enumerate(counts):
        if many > 0:
            high = max(many / top * 22, 1)
            box = {"x": number(index * width), "y": number(24 - high), "width": number(max(width - 0.6, 0.4)), "height": number(high)}
            boxes.append(tag("rect", box))
    attributes = {"class": "spark", "role": "img", "aria-label": title, "width": "96", "height": "24", "viewBox": "0 0 96 24"}
    return tag("svg", attributes, tag("title", None, title), tag("g", {"class": "fill validation"}, boxes))


@dataclass(frozen=True)
class Dots:
    """One row of dots on a common scale: (word, kind, value)."""

    label: str
    places: Sequence[tuple[str, str, Real]]


def dot_rows(title: str, rows: Sequence[Dots], *, percent: bool = False, note: object = None) -> Markup:
    """For each row the dots of its values joined by a line, all on one scale: how far apart they lie."""
    values = [value for row in rows for _, _, value in row.places]
    if not values:
        return Markup("")
    x = linear(values, 0, WIDTH, percent=percent)
    kinds = list(dict.fromkeys((word, kind) for row in rows for word, kind, _ in row.places))
    body = []
    for row in rows:
        places = [(x.place(value), word, kind, value) for word, kind, value in row.places]
        ends = {"x1": share(min(places)[0]), "x2": share(max(places)[0]), "y1": "11", "y2": "11"}
        parts = [tag("line", {"class": "rail", "x1": "0", "x2": "100%", "y1": "11", "y2": "11"}), tag("line", {"class": "span", **ends})]
        parts += [marker(place, 11, f"fill {kind} ring", radius=6, title=f"{word}: {show(value)}") for place, word, kind, value in places]
        drawing = tag("svg", {"class": "bar", "width": "100%", "height": "22", "aria-hidden": "true"}, parts)
        said = "; ".join(f"{word} {show(value)}" for _, word, _, value in places)
        cells = [tag("td", {"class": "drawing"}, drawing, tag("span", {"class": "hidden"}, said))]
        body.append(tag("tr", None, tag("th", {"scope": "row"}, name(row.label, 32)), cells))
    low, high = x.ticks[0].label, x.ticks[-1].label
    ends_row = tag(
        "tr", None, tag("th", None, ""), tag("td", None, tag("div", {"class": "ends"}, tag("span", None, low), tag("span", None, high)))
    )
    inner = tag("table", {"class": "bars dotted"}, tag("caption", {"class": "hidden"}, title), tag("tbody", None, body, ends_row))
    return figure(title, inner, note=note, legend=legend([(word, kind, False) for word, kind in kinds]), size="full")


def strip(pieces: Sequence[tuple[str, Real, str]], *, title: str, note: object = None) -> Markup:
    """One bar cut into named pieces (name, value, what to write): how a whole is made up."""
    known = [piece for piece in pieces if piece[1] > 0]
    total = sum(value for _, value, _ in known)
    if not known or total <= 0:
        return Markup("")
    parts, rows, at = [], [], 0.0
    for index, (word, value, shown) in enumerate(known):
        part = value / total * WIDTH
        kind = f"fill s{index % 8}"
        box = {"class": kind, "x": share(at), "y": "0", "width": share(max(part - 2, 0.5)), "height": "18"}
        parts.append(tag("rect", box, tag("title", None, f"{word}: {shown}")))
        rows.append((f"{word} {shown}", f"s{index % 8}"))
        at += part
    said = ", ".join(f"{word} {shown}" for word, _, shown in known)
    drawing = tag("svg", {"class": "strip", "role": "img", "aria-label": f"{title}: {said}", "width": "100%", "height": "18"}, parts)
    return figure(title, drawing, note=note, legend=legend([(word, kind, False) for word, kind in rows]))

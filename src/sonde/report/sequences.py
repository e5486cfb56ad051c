"""Inside a model of text: what it writes and translates, what surprised it, where it looked, which tokens lie close."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sonde.report.html import Markup, coded, figure, fold, join, prose, shorten, table, tag
from sonde.report.numbers import finite, percent, show, tables, text
from sonde.report.numbers import table as as_table
from sonde.report.read import Record, View
from sonde.report.scale import Scale
from sonde.report.svg import WIDTH, Frame, chart, label, marker, path, rectangle

# Control characters as they are drawn, so that a line end can be seen.
_SEEN = str.maketrans({"\n": "⏎", "\t": "⇥", " ": "␣"})


def seen(piece: object, length: int = 14) -> str:
    """A token as it can be seen: blanks and line ends have signs."""
    word = text(piece)
    return shorten(word.translate(_SEEN) if not word.strip() else word.replace("\n", "⏎").strip(" "), length)


def written(record: Record, view: View) -> Markup:
    """A prompt that was held out, and how the model goes on with it."""
    found = as_table(record.explain.get("written"))
    if not view.examples or not found:
        return Markup("")
    prompt = text(found.get("prompt"))
    blocks = []
    for key, title in (("likeliest", "The likeliest token each time"), ("drawn", "Drawn at temperature 0.8")):
        body = tag("pre", {"class": "prose"}, tag("span", {"class": "quiet"}, prompt), text(found.get(key)))
        blocks.append(figure(title, body))
    return join(blocks)


def foretold(record: Record, view: View) -> Markup:
    """Held-out text, each token on a ground that is the darker the less it was expected."""
    told = tables(record.explain.get("foretold"))
    if not view.examples or not told:
        return Markup("")
    pieces = []
    for each in told:
        p = finite(each.get("p")) or 0.0
        others = ", ".join(f"{seen(token)} {percent(finite(value) or 0.0)}" for token, value in each.get("next", []))
        token = text(each.get("token"))
        title = f"{seen(token)}: {percent(p)}; likeliest were {others}"
        shown = join([token.replace("\n", "⏎"), tag("br")]) if "\n" in token else token
        # One of six grounds, by the bits of surprise −log₂ p.
        level = 0 if p >= 0.5 else 1 if p >= 0.25 else 2 if p >= 0.1 else 3 if p >= 0.03 else 4 if p >= 0.005 else 5
        pieces.append(tag("span", {"class": f"surprise s{level}", "title": title}, shown))
    note = "The stronger the ground, the less probable the model found that token; point at one to see what it expected instead."
    return figure("Held-out text as the model foretold it", tag("p", {"class": "foretold"}, pieces), note=note, size="full")


def translations(record: Record, view: View) -> Markup:
    """Held-out sentences, what the model made of them, and the reference."""
    found = tables(record.explain.get("translations"))
    if not view.examples or not found:
        return Markup("")
    rows = [(shorten(text(each.get("source")), 200), shorten(text(each.get("answer")), 200), shorten(text(each.get("reference")), 200)) for each in found]
    return table(("source", "translation", "reference"), rows)


def beam(record: Record, view: View) -> Markup:
    """The beam search for one sentence as a tree, the way to its answer strong."""
    found = as_table(record.explain.get("beam"))
    steps = [[as_table(node) for node in step] for step in found.get("steps", [])] if view.examples else []
    if not steps:
        return Markup("")
    width, gap = max(len(step) for step in steps), 34
    across = WIDTH / len(steps)
    kept = _kept(steps, list(found.get("kept", [])))
    height = gap * width
    lines, marks = [], []
    for number, step in enumerate(steps):
        for place, node in enumerate(step):
            if not node:
                continue
            parent = int(finite(node.get("parent")) or 0)
            strong = (number, place) in kept
            x, y = (number + 0.35) * across, (place + 0.5) * gap
            if number:
                before = ((number - 1 + 0.35) * across, (parent + 0.5) * gap)
                lines.append(path([before, (x, y)], "line validation" if strong else "reference"))
            marks.append(marker(x, y, "fill validation" if strong else "fill training", radius=4 if strong else 3))
            marks.append(label(x, y, seen(node.get("token"), 10), kind="remark strong haloed" if strong else "remark haloed", dx=6, dy=4))
    frame = Frame(Scale(0, len(steps), 0, WIDTH, ()), Scale(0, width, 0, height, ()), height, grid=False)
    drawing = chart(frame, title="Beam search", description=f"{len(steps)} steps, {width} beams", layers=lines, marks=marks)
    note = prose("Each column is a step, each mark a beginning that was kept; lines lead to how it went on. For: {}", coded(text(found.get("source")), 120))
    return figure("The beam as a tree", drawing, note=note, size="full")


def _kept(steps: Sequence[Sequence[dict[str, Any]]], answer: list[int]) -> set[tuple[int, int]]:
    """The nodes on the way to the answer: back from the node that stands at its last step."""
    last = min(len(answer), len(steps)) - 1
    for place in range(len(steps[last]) if last >= 0 else 0):
        way, at = set(), place
        for number in range(last, -1, -1):
            node = steps[number][at]
            if not node:
                break
            way.add((number, at))
            at = int(finite(node.get("parent")) or 0)
        if len(way) == last + 1:
            return way
    return set()


def attention(record: Record, view: View) -> Markup:
    """Attention weights, one map a head: rows look at columns."""
    found = as_table(record.explain.get("attention"))
    maps = tables(found.get("maps"))
    if not view.examples or not maps:
        return Markup("")
    rows, columns = [seen(word, 10) for word in found.get("rows", [])], [seen(word, 10) for word in found.get("columns", [])]
    mean = [[sum(each["weights"][r][c] for each in maps) / len(maps) for c in range(len(columns))] for r in range(len(rows))]
    note = "Each row is a place that looks; its weights add up to 1."
    large = figure("Where it looked, the mean of all heads", _map(rows, columns, mean, labels=True), note=note)
    small = [
        figure(f"{text(each.get('layer'))}, head {show((finite(each.get('head')) or 0) + 1)}", _map(rows, columns, each["weights"], labels=False))
        for each in maps
    ]
    return join([large, fold("Head by head", tag("div", {"class": "maps-of-heads"}, small)) if len(maps) > 1 else None])


def _map(rows: Sequence[str], columns: Sequence[str], weights: Sequence[Sequence[float]], *, labels: bool) -> Markup:
    """Weights as depth of colour, square cells. Without labels the cells of no weight are left out, and what is left says what it is."""
    left, top = (76, 64) if labels else (0, 0)
    cell = min(26.0, (WIDTH - left) / max(len(columns), 1)) if labels else 8.0
    layers = [
        rectangle(
            left + c * cell,
            top + r * cell,
            cell - 1,
            cell - 1,
            "fill validation",
            opacity=0.06 + 0.94 * value,
            title=f"{rows[r]} → {columns[c]}: {show(value)}",
        )
        for r, line in enumerate(weights)
        for c, value in enumerate(line)
        if labels or value >= 0.02
    ]
    if labels:
        for r, word in enumerate(rows):
            place = {"x": left - 6, "y": f"{top + (r + 0.5) * cell + 4:.1f}", "text-anchor": "end"}
            layers.append(tag("text", {"class": "remark", **place}, word))
        for c, word in enumerate(columns):
            turned = f"translate({left + (c + 0.5) * cell:.1f} {top - 6}) rotate(-55)"
            layers.append(tag("text", {"class": "remark", "transform": turned}, word))
    width, height = left + cell * len(columns) + (40 if labels else 0), top + cell * len(rows)
    description = f"{len(rows)} by {len(columns)} weights"
    attributes = {"viewBox": f"0 0 {width:.0f} {height:.0f}", "role": "img", "aria-label": description, "class": "map"}
    return tag("svg", attributes | ({"style": f"max-width:{width:.0f}px"} if labels else {}), layers)


def embeddings(record: Record, view: View) -> Markup:
    """Tokens in the plane of the two principal components of their vectors, and the nearest of some."""
    found = as_table(record.explain.get("embedding"))
    points = tables(found.get("points"))
    if not view.examples or not points:
        return Markup("")
    xs, ys = [finite(each.get("x")) or 0.0 for each in points], [finite(each.get("y")) or 0.0 for each in points]
    height = 360
    x, y = Scale(min(xs), max(xs), 30, WIDTH - 30, ()), Scale(min(ys), max(ys), height - 10, 12, ())
    words = [(seen(each.get("token"), 12), x.place(a), y.place(b)) for each, a, b in zip(points, xs, ys, strict=True)]
    marks = [label(across, up, word, kind="remark haloed", anchor="middle") for word, across, up in words]
    share = percent(finite(found.get("share")) or 0.0)
    drawing = chart(Frame(x, y, height, grid=False), title="Embeddings", description=f"{len(points)} tokens", marks=marks)
    near = tables(found.get("neighbours"))
    rows = [(seen(each.get("token")), ", ".join(f"{seen(token)} {show(finite(value) or 0.0)}" for token, value in each.get("near", []))) for each in near]
    return join(
        [
            figure("Tokens in two dimensions", drawing, note=f"The two principal components of their vectors, which hold {share} of the spread.", size="full"),
            figure("The nearest of some", table(("token", "nearest, by the cosine of the angle"), rows)) if rows else None,
        ]
    )

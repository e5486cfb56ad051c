"""Trained models at a glance: how good against how fast, how many parameters, how much memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sonde.report.frame import Block, page, save
from sonde.report.html import Markup, figure, join, name, prose, table, tag
from sonde.report.lines import legend
from sonde.report.measures import measure, written
from sonde.report.numbers import Real, plural, show
from sonde.report.roofline import size
from sonde.report.scale import linear, logarithmic
from sonde.report.svg import WIDTH, Frame, chart, label, marker, path

# key of a row, what the axis says, what one sees
AXES = (
    ("examples_per_second", "examples a second, predicting", "Right is faster; the line joins the models that no other one beats in both."),
    ("parameters", "parameters", "Left is smaller."),
    ("training", "bytes to train with the same batch", "Left needs less memory."),
)

LETTERS = 28  # of a name that are written
LINE, BASE, SIDE = 15, 9, 10  # pixels: from a name to the next one below, from the lowest one to the axis, from a dot to its name


def write_zoo(found: Mapping[str, Any], out: Path) -> Path:
    """The chart of `cost.zoo.side_by_side` as one page. Returns `out`; raises RunError where it cannot be written."""
    rows, metric = found["rows"], found["metric"]
    where = f"{found['processor']}, {plural(found['threads'], 'thread')}, {found['batch']} examples at once"
    word = measure(metric).word
    head = join([tag("h1", {"class": "title"}, "Models at a glance"), tag("p", {"class": "lead"}, f"{len(rows)} trained models by {word}, on {where}.")])
    charts = tag("div", None, [_chart(rows, metric, found["better"], *axis) for axis in AXES])
    blocks = [
        Block("charts", "How good, how fast, how large", prose("Every dot is a run. Speed is measured here and now, on this machine."), charts),
        Block("table", "In numbers", prose("Multiply-adds are of one example, forward; memory is for {} examples.", found["batch"]), _table(rows, metric)),
    ]
    return save(out, page("Models at a glance · Sonde", "models", head, blocks))


def _chart(rows: Sequence[Mapping[str, Any]], metric: str, better: str, key: str, words: str, note: str) -> Markup:
    height: Real = max(260, LINE * len(rows) + BASE)  # all names fit one above the other
    x = logarithmic([row[key] for row in rows], 0, WIDTH)
    y = linear([row["value"] for row in rows], height, 0)
    front = sorted(((row[key], row["value"]) for row in rows if row["best"]), key=lambda point: point[0])
    layers = [path([(x.place(a), y.place(b)) for a, b in front], "reference")] if key == "examples_per_second" and len(front) > 1 else []
    marks = []
    for row in rows:
        at, high = x.place(row[key]), y.place(row["value"])
        said = f"{row['name']} ({row['model']}): {metric} {show(row['value'])}, {show(row[key], 3)} {words}"
        marks.append(marker(at, high, f"fill {'s0' if row['best'] else 's7'} ring", radius=6, title=said))
    leads, names = _names(rows, [(x.place(row[key]), y.place(row["value"])) for row in rows], height)
    layers, marks = layers + leads, names + marks  # dots above names: they are what is shown
    drawing = chart(Frame(x, y, height, words), title=f"{metric} and {words}", description=f"{len(rows)} runs; {better} is better", layers=layers, marks=marks)
    entries = [("not beaten in both measure and speed", "s0", False), ("beaten", "s7", False)]
    return figure(f"{measure(metric).word} and {words}", drawing, note=note, legend=legend(entries))


def _names(rows: Sequence[Mapping[str, Any]], places: Sequence[tuple[Real, Real]], height: Real) -> tuple[list[Markup], list[Markup]]:
    """Names beside their dots, on the side that has more room, moved up or down until all stand clear; faint lines lead to those that moved."""
    words = [str(row["name"])[:LETTERS] for row in rows]
    right = [at < WIDTH / 2 for at, _ in places]
    spans = [(at, at + _wide(word)) if after else (at - _wide(word), at) for (at, _), word, after in zip(places, words, right, strict=True)]
    heights = clear(spans, [high for _, high in places], top=0, bottom=height - BASE)
    leads = [
        path([(at, high), (at, moved)], "line faint s7") for (at, high), moved in zip(places, heights, strict=True) if abs(moved - high) > LINE / 2
    ]
    names = [
        label(at, high, word, kind="remark", anchor="start" if after else "end", dx=SIDE if after else -SIDE, dy=4)
        for (at, _), high, word, after in zip(places, heights, words, right, strict=True)
    ]
    return leads, names


def _wide(word: str) -> float:
    # On the narrowest page a letter takes about 2.3 % of the width, and the ten pixels beside the dot as much as one or two.
    return 23.0 * (len(word) + 2)


def clear(spans: Sequence[tuple[Real, Real]], wanted: Sequence[Real], *, top: Real, bottom: Real) -> list[Real]:
    """The height of every line of text between `top` and `bottom`, near the one wanted, so that no two with a common part of their `spans` touch.

    Lines keep their order. First each is pushed down by those above it, then up by the bottom and those below it; where there is room for all
    lines one above the other, none is pushed beyond the top.
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    heights = list(wanted)
    for place, index in enumerate(order):
        above = [heights[other] + LINE for other in order[:place] if _meet(spans[index], spans[other])]
        heights[index] = max([heights[index], top, *above])
    for place, index in reversed(list(enumerate(order))):
        below = [heights[other] - LINE for other in order[place + 1 :] if _meet(spans[index], spans[other])]
        heights[index] = min([heights[index], bottom, *below])
    return heights


def _meet(one: tuple[Real, Real], other: tuple[Real, Real]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _table(rows: Sequence[Mapping[str, Any]], metric: str) -> Markup:
    head = ("run", "model", metric, "examples/s", "parameters", "multiply-adds", "memory to predict", "memory to train")
    cells = [
        (
            name(row["name"]),
            row["model"],
            written(metric, row["value"]),
            show(row["examples_per_second"], 3),
            show(row["parameters"]),
            show(row["multiply_adds"]),
            size(row["inference"]),
            size(row["training"]),
        )
        for row in rows
    ]
    return table(head, cells, numbers=range(2, 8), caption="models", wide=True)

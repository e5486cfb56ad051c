"""Trained models at a glance: how good against how fast, how many parameters, how much memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sonde.report.frame import Block, page, save
from sonde.report.html import Markup, figure, join, name, prose, table, tag
from sonde.report.lines import legend
from sonde.report.measures import measure, written
from sonde.report.numbers import Real, show
from sonde.report.roofline import size
from sonde.report.scale import linear, logarithmic
from sonde.report.svg import WIDTH, Frame, chart, label, marker, path

# key of a row, what the axis says, what one sees
AXES = (
    ("examples_per_second", "examples a second, predicting", "Right is faster; the line joins the models that no other one beats in both."),
    ("parameters", "parameters", "Left is smaller."),
    ("training", "bytes to train with the same batch", "Left needs less memory."),
)


def write_zoo(found: Mapping[str, Any], out: Path) -> Path:
    """The chart of `cost.zoo.side_by_side` as one page. Returns `out`; raises RunError where it cannot be written."""
    rows, metric = found["rows"], found["metric"]
    where = f"{found['processor']}, {found['threads']} threads, {found['batch']} examples at once"
    word = measure(metric).word
    head = join([tag("h1", {"class": "title"}, "Models at a glance"), tag("p", {"class": "lead"}, f"{len(rows)} trained models by {word}, on {where}.")])
    charts = tag("div", None, [_chart(rows, metric, found["better"], *axis) for axis in AXES])
    blocks = [
        Block("charts", "How good, how fast, how large", prose("Every dot is a run. Speed is measured here and now, on this machine."), charts),
        Block("table", "In numbers", prose("Multiply-adds are of one example, forward; memory is for {} examples.", found["batch"]), _table(rows, metric)),
    ]
    return save(out, page("Models at a glance · Sonde", "models", head, blocks))


def _chart(rows: Sequence[Mapping[str, Any]], metric: str, better: str, key: str, words: str, note: str) -> Markup:
    height: Real = 260
    x = logarithmic([row[key] for row in rows], 0, WIDTH)
    y = linear([row["value"] for row in rows], height, 0)
    front = sorted(((row[key], row["value"]) for row in rows if row["best"]), key=lambda point: point[0])
    layers = [path([(x.place(a), y.place(b)) for a, b in front], "reference")] if key == "examples_per_second" and len(front) > 1 else []
    marks = []
    for row in rows:
        at, high = x.place(row[key]), y.place(row["value"])
        said = f"{row['name']} ({row['model']}): {metric} {show(row['value'])}, {show(row[key], 3)} {words}"
        marks.append(marker(at, high, f"fill {'s0' if row['best'] else 's7'} ring", radius=6, title=said))
    marks += _names(rows, [(x.place(row[key]), y.place(row["value"])) for row in rows], height)
    drawing = chart(Frame(x, y, height, words), title=f"{metric} and {words}", description=f"{len(rows)} runs; {better} is better", layers=layers, marks=marks)
    entries = [("not beaten in both measure and speed", "s0", False), ("beaten", "s7", False)]
    return figure(f"{measure(metric).word} and {words}", drawing, note=note, legend=legend(entries))


def _names(rows: Sequence[Mapping[str, Any]], places: Sequence[tuple[Real, Real]], height: Real) -> list[Markup]:
    """Names beside their dots, each moved down until it stands clear of those before it."""
    found: list[Markup] = []
    taken: list[tuple[Real, Real]] = []
    for row, (at, high) in sorted(zip(rows, places, strict=True), key=lambda pair: pair[1][1]):
        while any(abs(at - x) < 240 and abs(high - y) < 15 for x, y in taken):
            high += 15
        taken.append((at, high))
        right = at < 0.75 * WIDTH
        found.append(label(at, min(high, height - 2), str(row["name"])[:28], kind="remark", anchor="start" if right else "end", dx=10 if right else -10, dy=4))
    return found


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

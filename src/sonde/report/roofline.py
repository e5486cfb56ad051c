"""The roofline (Williams, Waterman & Patterson 2009): how fast arithmetic can be at each intensity, and where a model's layers stand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sonde.report.frame import Block, page, save
from sonde.report.html import Markup, facts, figure, join, prose, shorten, table, tag
from sonde.report.lines import Line, legend, line_chart
from sonde.report.numbers import Real, percent, plural, seconds, show
from sonde.report.scale import logarithmic
from sonde.report.svg import WIDTH, Frame, chart, label, marker, path

GIGA = 1e9


def roofline(
    peak: Real,
    bandwidth: Real,
    points: Sequence[tuple[str, Real, Real]],
    *,
    achieved: Sequence[tuple[str, Real, Real]] = (),
    what: str = "layers, by their share of the work",
) -> Markup:
    """The roof of a machine and points below it.

    Args:
        peak: multiply-adds a second. bandwidth: bytes a second.
        points: (name, multiply-adds a byte, multiply-adds): the area of a dot is its share of all multiply-adds; it stands on the roof.
        what: what the points are, for the legend.
        achieved: (name, multiply-adds a byte, multiply-adds a second): what was measured.
    """
    shown = [point for point in points if point[1] > 0 and point[2] > 0]
    if not shown or not math.isfinite(bandwidth):
        return Markup("")
    ridge = peak / bandwidth
    across = [at for _, at, _ in shown] + [ridge / 16, ridge * 8] + [at for _, at, _ in achieved]
    height = 300
    x = logarithmic(across, 0, WIDTH)
    speeds = [min(peak, at * bandwidth) / GIGA for at in (x.low, *across)] + [speed / GIGA for _, _, speed in achieved if speed > 0]
    y = logarithmic([*speeds, peak / GIGA], height, 0)
    roof = [(at, min(peak, at * bandwidth) / GIGA) for at in (x.low, ridge, x.high)]
    layers = [path([(x.place(a), y.place(b)) for a, b in roof], "line s0")]
    layers.append(path([(x.place(ridge), height), (x.place(ridge), y.place(peak / GIGA))], "reference"))
    whole = sum(work for _, _, work in shown)
    marks = []
    for name, at, work in shown:
        on = min(peak, at * bandwidth) / GIGA
        said = f"{name}: {show(at, 3)} multiply-adds a byte, {percent(work / whole)} of all"
        marks.append(marker(x.place(at), y.place(on), "fill s0 ring", radius=2.5 + 11 * (work / whole) ** 0.5, title=said))
    for name, at, speed in achieved:
        if speed > 0:
            said = f"{name}: {show(speed / GIGA, 3)} billion multiply-adds a second measured"
            marks.append(marker(x.place(at), y.place(speed / GIGA), "fill s1 ring", radius=6, title=said))
            marks.append(label(x.place(at), y.place(speed / GIGA), name, kind="remark strong", dx=10, dy=4))
    marks.append(label(x.place(ridge), height, "ridge", kind="remark", dx=5, dy=-6))
    title = "Roofline: billion multiply-adds a second"
    many = f"{len(shown)} layers; the roof is {show(peak / GIGA, 3)} billion multiply-adds a second from {show(ridge, 3)} multiply-adds a byte on"
    drawing = chart(Frame(x, y, height, "multiply-adds for each byte moved"), title=title, description=many, layers=layers, marks=marks)
    entries = [(what, "s0", False)] + ([("measured", "s1", False)] if achieved else [])
    return figure(title, drawing, legend=legend(entries), note="Left of the ridge memory is the limit, right of it arithmetic.")


def write_cost(found: Mapping[str, Any], out: Path) -> Path:
    """The bill of a model as one page: `found` is the document of `sonde cost --json`. Returns `out`; raises RunError where it cannot be written."""
    machine, layers = found["machine"], found["layers"]
    points = [(layer["path"], layer["intensity"], layer["multiply_adds"]) for layer in layers]
    measured = found.get("measured")
    achieved = []
    if measured and measured["step_seconds"] and found["moved"]:
        moved, work = found["moved"], found["training_multiply_adds"]
        achieved = [("a training step", work / moved, work / measured["step_seconds"])]
    head = join(
        [
            tag("h1", {"class": "title"}, f"What {shorten(found['name'], 40)} costs"),
            facts(
                [
                    ("parameters", show(found["parameters"])),
                    ("multiply-adds an example, forward", show(found["multiply_adds"])),
                    ("training memory", size(found["memory"]["training"])),
                    ("a training step takes at least", _duration(found["floor"]["step_seconds"])),
                    ("predicted", _duration(found["predicted"]["step_seconds"]) if found.get("predicted") else None),
                    ("measured", _duration(measured["step_seconds"]) if measured else None),
                ]
            ),
        ]
    )
    blocks = [
        Block(
            "roofline",
            "Where the time goes at best",
            prose("The roof is that of {}.", ", ".join([machine["processor"], *([plural(machine["threads"], "thread")] if machine["threads"] else [])])),
            roofline(machine["peak"], machine["bandwidth"], points, achieved=achieved),
        ),
        Block("memory", "Memory of a training step", prose("For a batch of {} with {}.", found["batch"], found["optimizer"]), _memory(found["memory"])),
        Block("layers", "Layer by layer", prose("Forward, for the whole batch; one multiplication and its addition count as one."), _layers(layers)),
    ]
    return save(out, page(f"Cost of {found['name']} · Sonde", "cost", head, blocks))


def size(count: Real) -> str:
    """Bytes as people read them: 1.41 GB, 25 MB (powers of ten)."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{show(count / unit, 3)} {name}"
    return f"{show(count)} B"


def _memory(memory: Mapping[str, Any]) -> Markup:
    said = {
        "weights": "weights and buffers",
        "gradients": "gradients, one number a weight",
        "optimizer": "what the optimiser keeps",
        "inputs": "the batch",
        "activations": "what the backward pass needs of the forward pass",
        "passing": "what comes and goes",
        "training": "the most at any moment of a training step",
        "inference": "the most in a forward pass without gradients",
    }
    rows = [(words, size(memory[key])) for key, words in said.items()]
    return table(("what", "bytes"), rows, numbers=(1,), caption="memory")


def _layers(layers: Sequence[Mapping[str, Any]]) -> Markup:
    head = ("layer", "type", "output", "parameters", "multiply-adds", "other operations", "kept for backward", "moved", "multiply-adds a byte", "least time")
    rows = [
        (
            layer["path"],
            layer["type"],
            "×".join(map(str, layer["output"] or [])),
            show(layer["parameters"]),
            show(layer["multiply_adds"]),
            show(layer["other"]),
            size(layer["saved"]),
            size(layer["moved"]),
            show(layer["intensity"], 3),
            milliseconds(layer["floor_seconds"]) if layer["floor_seconds"] else "–",
        )
        for layer in layers
    ]
    return table(head, rows, numbers=range(3, 10), caption="layers", wide=True)


def _duration(value: Real) -> str:
    """Seconds; a dash where there is nothing that takes any."""
    return seconds(value) if value else "–"


def milliseconds(value: Real) -> str:
    """Seconds as milliseconds."""
    return f"{show(1e3 * value, 3)} ms"


def write_machine(found: Mapping[str, Any], out: Path) -> Path:
    """What was measured of a machine as one page: `found` is the document of `sonde bench --json`. Returns `out`."""
    steps = [(each["bytes"], each["bytes_per_second"] / GIGA) for each in found["caches"]]
    peak, bandwidth = found["peak"], found["bandwidth"]
    head = join(
        [
            tag("h1", {"class": "title"}, "This machine"),
            facts(
                [
                    ("processor", found["processor"]),
                    ("device", found["device"]),
                    ("threads", found["threads"]),
                    ("multiply-adds a second", show(peak, 3)),
                    ("bytes a second", show(bandwidth, 3)),
                    ("multiply-adds a byte at the ridge", show(peak / bandwidth, 3)),
                ]
            ),
        ]
    )
    cache = line_chart(
        "Reading the same array again and again: GB/s",
        [Line("read", steps, "s0", pointed=True)],
        log_x=True,
        x_label="bytes of the array",
        include=(0,),
        note="Each step down is a level of cache that the array no longer fits into.",
    )
    roof = roofline(peak, bandwidth, [("c = a + b", 1 / 12, 1), ("a matrix product, n = 2048", 2048 / 12, 1)], what="c = a + b, and a matrix product")
    blocks = [
        Block("roofline", "Peak and bandwidth", prose("A matrix product reaches the one, an addition of long arrays the other."), roof),
        Block("caches", "Caches", prose("The nearer to the processor, the faster and the smaller."), cache),
        Block("order", "Order and loops", prose("The same numbers, read or added in two ways."), _pairs(found)),
    ]
    return save(out, page("This machine · Sonde", "machine", head, blocks))


def _pairs(found: Mapping[str, Any]) -> Markup:
    names = {"strides": "sum of a matrix: by rows, by columns", "loops": "adding two arrays: one call, a loop in Python"}
    rows = [(words, milliseconds(found[key]["fast"]), milliseconds(found[key]["slow"]), f"{show(found[key]['ratio'], 3)} ×") for key, words in names.items()]
    return table(("what", "fast", "slow", "ratio"), rows, numbers=(1, 2, 3), caption="two ways")

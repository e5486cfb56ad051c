"""Convolution, recurrence and self-attention side by side: time and memory against length and width, with the theory's slopes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sonde.report.frame import Block, page, save
from sonde.report.html import Markup, join, prose, table, tag
from sonde.report.lines import Line, line_chart
from sonde.report.numbers import plural, show
from sonde.report.roofline import size

KINDS = {"convolution": "s0", "recurrent": "s1", "self-attention": "s2"}
# What is drawn: the value, its factor and unit, what varies, and what one sees.
CHARTS = (
    ("seconds", 1e3, "milliseconds", "length"),
    ("seconds", 1e3, "milliseconds", "width"),
    ("memory", 2.0**-20, "MiB", "length"),
)
PATHS = "What each asks for, how many steps must follow each other, and after how many layers or steps one place knows of all vectors."
FORMULAS = {
    "convolution": ("k·n·d²", "1", "⌈(n − 1)/(k − 1)⌉"),
    "recurrent": ("2·n·d²", "n", "n"),
    "self-attention": ("2·n²·d", "1", "1"),
}


def write_sequence(found: Mapping[str, Any], out: Path) -> Path:
    """The page of `cost.sequence`'s points and fits. Returns `out`; raises RunError where it cannot be written."""
    where = f"{found['processor']}, {plural(found['threads'], 'thread')}"
    still = f"n = {found['length']} where d varies, d = {found['width']} where n varies, k = {found['kernel']}."
    lead = f"One sequence of n vectors of d numbers, on {where}. {still}"
    head = join([tag("h1", {"class": "title"}, "Three ways to read a sequence"), tag("p", {"class": "lead"}, lead)])
    points = found["points"]
    charts = tag("div", None, [_chart(points, found, *chart) for chart in CHARTS])
    told = prose("Dashed: what the multiply-adds say, from the largest size downwards. Where a line lies above it, calls cost more than arithmetic.")
    blocks = [
        Block("charts", "Time and memory", told, charts),
        Block("theory", "By the formulas", prose(PATHS), _theory()),
        Block("slopes", "Exponents", prose("Of time and memory in n and in d, fitted to the largest sizes, beside the theory's."), _fits(found["fits"])),
        Block("paths", "In numbers", prose("Self-attention without its projections, which are further 4·n·d²."), _table(points)),
    ]
    return save(out, page("Three ways to read a sequence · Sonde", "models", head, blocks))


def _chart(points: Sequence[Mapping[str, Any]], found: Mapping[str, Any], key: str, factor: float, unit: str, by: str) -> Markup:
    other = "width" if by == "length" else "length"
    lines: list[Line] = []
    for name, kind in KINDS.items():
        some = sorted((p for p in points if p["layer"] == name and p[other] == found[other]), key=lambda p: p[by])
        if not some:
            continue
        lines.append(Line(name, [(p[by], factor * p[key]) for p in some], kind, pointed=True))
        last = some[-1]
        if key == "seconds":
            theory = [(p[by], factor * last[key] * p["multiply_adds"] / last["multiply_adds"]) for p in some]
            lines.append(Line(f"{name}, by its multiply-adds", theory, kind, faint=True, dashed=True))
    letter = "n" if by == "length" else "d"
    what = "Time of a forward pass" if key == "seconds" else "Memory of a training step"
    ticks = sorted({p[by] for p in points if p[other] == found[other]})
    return line_chart(f"{what} ({unit}) by {letter}", lines, x_label=letter, log=True, log_x=True, x_ticks=ticks, height=260, size="full")


def _fits(fits: Sequence[Mapping[str, Any]]) -> Markup:
    cells = [
        (fit["layer"], "n" if fit["by"] == "length" else "d", str(fit["theory"]), f"{fit['seconds']:.2f}", f"{fit['memory']:.2f}") for fit in fits
    ]
    return table(("layer", "in", "multiply-adds", "time", "memory"), cells, numbers=range(2, 5))


def _table(points: Sequence[Mapping[str, Any]]) -> Markup:
    head = ("layer", "n", "d", "multiply-adds", "steps", "longest path", "ms", "memory")
    counts = ("length", "width", "multiply_adds", "serial", "path")
    cells = [(p["layer"], *(show(p[key]) for key in counts), show(1e3 * p["seconds"], 3), size(p["memory"])) for p in points]
    return table(head, cells, numbers=range(1, 8), wide=True)


def _theory() -> Markup:
    return table(("layer", "multiply-adds", "steps", "longest path"), [(name, *words) for name, words in FORMULAS.items()])

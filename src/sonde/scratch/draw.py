"""A graph as an SVG picture: one box a node, with its operation, shape, value and gradient; inputs left, result right."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from sonde.scratch import reverse
from sonde.scratch.tensor import Tensor, gradients

Array = np.ndarray[Any, np.dtype[Any]]

WIDTH, HEIGHT, ACROSS, DOWN, EDGE = 190, 74, 60, 24, 20  # of a box, between columns, between rows, around all; in pixels
SIGNS = {"add": "+", "subtract": "−", "multiply": "×", "divide": "÷", "power": "xᵖ", "matmul": "@", "negative": "−x", "transpose": "ᵀ"}
STYLE = (
    "text{font:13px ui-monospace,monospace;fill:#1b1f24}.op{font-weight:700}.gradient{fill:#9a3412}"
    "rect{fill:#f6f8fa;stroke:#57606a}.leaf rect{fill:#ddf4ff}path{fill:none;stroke:#57606a}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.gradient{fill:#ffa657}rect{fill:#161b22;stroke:#8b949e}"
    ".leaf rect{fill:#0c2d4a}path{stroke:#8b949e}}"
)


def svg(output: Tensor) -> str:
    """The graph behind a tensor. Gradients are those of the output, or of the sum of its elements; symbols have neither."""
    nodes: list[Tensor] = reverse.history(output, only_recorded=False)
    found = _gradients(output, nodes)
    column, row = _places(nodes)
    size = [EDGE * 2 + (max(place.values()) + 1) * (box + gap) - gap for place, box, gap in ((column, WIDTH, ACROSS), (row, HEIGHT, DOWN))]
    x = {serial: EDGE + c * (WIDTH + ACROSS) for serial, c in column.items()}
    y = {serial: EDGE + r * (HEIGHT + DOWN) for serial, r in row.items()}
    edges, boxes = [], []
    for node in nodes:
        here = node._serial
        for source in reverse.inputs_of(node):
            a, b = (x[source._serial] + WIDTH, y[source._serial] + HEIGHT / 2), (x[here], y[here] + HEIGHT / 2)
            edges.append(f'<path d="M{a[0]},{a[1]} C{a[0] + 30},{a[1]} {b[0] - 30},{b[1]} {b[0] - 2},{b[1]}" marker-end="url(#arrow)"/>')
        boxes.append(_box(node, found.get(here), x[here], y[here]))
    title = f"Graph of {len(nodes)} nodes that ends in {output._op or output.name or 'a value'}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]:g} {size[1]:g}" width="{size[0]:g}" height="{size[1]:g}" role="img">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0,0 L8,4 L0,8"/></marker></defs>{"".join(edges)}{"".join(boxes)}</svg>\n'
    )


def _gradients(output: Tensor, nodes: list[Tensor]) -> dict[int, Array]:
    if not output._bound or not output.requires_grad:
        return {}
    asked = [node for node in nodes if node.requires_grad]
    found = gradients(output, asked, np.ones_like(output.data))
    return {node._serial: g.data for node, g in zip(asked, found, strict=True)}


def _places(nodes: list[Tensor]) -> tuple[dict[int, int], dict[int, float]]:
    """Column: one more than the furthest input, leaves just before their first use. Row: near the mean of the inputs' rows."""
    column: dict[int, int] = {}
    for node in nodes:
        column[node._serial] = max((column[x._serial] + 1 for x in reverse.inputs_of(node)), default=0)
    for node in reversed(nodes):
        for x in reverse.inputs_of(node):
            if not x._op:
                later = [column[user._serial] for user in nodes if any(x is source for source in reverse.inputs_of(user))]
                column[x._serial] = min(later) - 1
    row: dict[int, float] = {}
    taken: dict[int, list[float]] = {}
    for node in nodes:
        inputs = [row[x._serial] for x in reverse.inputs_of(node)]
        place = round(sum(inputs) / len(inputs)) if inputs else 0
        used = taken.setdefault(column[node._serial], [])
        row[node._serial] = next(float(place + k) for k in range(len(nodes) + 1) if place + k not in used)
        used.append(row[node._serial])
    return column, row


def _box(node: Tensor, gradient: Array | None, x: int | float, y: int | float) -> str:
    sign = SIGNS.get(node._op, node._op)
    head = " ".join(
        part for part in (node.name, sign and f"({node._op})" if node.name else node._op, "" if sign == node._op else sign) if part
    )
    lines = [("op", head or "constant")]
    if node._bound:
        lines += [("shape", f"{node.dtype} {node.shape}"), ("value", _short(node.data))]
    if gradient is not None:
        lines.append(("gradient", f"∂ {_short(gradient)}"))
    text = "".join(
        f'<text class="{name}" x="{x + 8:g}" y="{y + 17 + 16 * k:g}">{escape(line)}</text>' for k, (name, line) in enumerate(lines)
    )
    kind = "node" if node._op else "leaf"
    return f'<g class="{kind}"><rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>{text}</g>'


def _short(values: Array) -> str:
    """All of up to three elements, else their range."""
    if values.size <= 3:
        return " ".join(f"{v:.4g}" for v in values.reshape(-1).tolist()) or "empty"
    return f"{values.min():.3g} … {values.max():.3g}"

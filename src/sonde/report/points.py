"""Charts of points: predictions against the truth, and confidence against how often it was right."""

from __future__ import annotations

from collections.abc import Sequence

from sonde.report.html import Markup, figure
from sonde.report.lines import legend
from sonde.report.numbers import Real, percent, show
from sonde.report.scale import linear, logarithmic
from sonde.report.svg import WIDTH, Frame, chart, dots, marker, path, rectangle

Pair = tuple[Real, Real]


def scatter(
    title: str,
    points: Sequence[Pair],
    *,
    x_label: str,
    y_label: str,
    diagonal: bool = False,
    log: bool = False,
    level: Real | None = None,
    note: object = None,
    height: Real = 300,
) -> Markup:
    """Points on two axes. `diagonal`: both axes are alike, and the line y = x is drawn; `level`: a line at this height."""
    if not points:
        return Markup("")
    shown = spread_out(points, 1500)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    if log and min(xs + ys if diagonal else xs) > 0:
        x = logarithmic(xs + ys if diagonal else xs, 0, WIDTH)
        y = logarithmic(xs + ys, height, 0) if diagonal else linear(ys, height, 0)
    else:
        x = linear(xs + ys if diagonal else xs, 0, WIDTH)
        y = linear(xs + ys if diagonal else ys, height, 0, include=() if level is None else (level,))
    layers = []
    if diagonal:
        layers.append(path([(x.place(x.low), y.place(x.low)), (x.place(x.high), y.place(x.high))], "reference"))
    if level is not None:
        layers.append(path([(0, y.place(level)), (WIDTH, y.place(level))], "reference"))
    layers.append(dots([(x.place(a), y.place(b)) for a, b in shown], "point validation"))
    said = (
        f"{show(len(points))} points; {x_label} from {show(min(xs))} to {show(max(xs))}, {y_label} from {show(min(ys))} to {show(max(ys))}"
    )
    entries = [(y_label, "validation", False), ("exact", "reference", True)] if diagonal else []
    drawing = chart(Frame(x, y, height, x_label), title=title, description=said, layers=layers)
    return figure(title, drawing, note=note, legend=legend(entries))


def spread_out(points: Sequence[Pair], limit: int) -> list[Pair]:
    """At most `limit` of `points`, taken at even distances, so that the choice is the same each time."""
    if len(points) <= limit:
        return list(points)
    return [points[index * len(points) // limit] for index in range(limit)]


def calibration(title: str, bins: Sequence[tuple[Real, Real, Real]], *, note: object = None, height: Real = 240) -> Markup:
    """Confidence against accuracy; `bins` are (mean confidence, accuracy, count), the dots as large as the counts."""
    if not bins:
        return Markup("")
    x = linear((0.0, 1.0), 0, WIDTH, percent=True)
    y = linear((0.0, 1.0), height, 0, percent=True)
    most = max(many for _, _, many in bins) or 1.0
    layers = [path([(0, height), (WIDTH, 0)], "reference")]
    marks = []
    for confidence, accuracy, many in bins:
        at, top, truth = x.place(confidence), y.place(accuracy), y.place(confidence)
        layers.append(rectangle(at - 4, min(top, truth), 8, abs(top - truth), "gap"))
        said = f"confidence {percent(confidence)}: right {percent(accuracy)} of {show(many)} times"
        marks.append(marker(at, top, "fill validation ring", radius=3 + 7 * (many / most) ** 0.5, title=said))
    said = "; ".join(f"at {percent(c, 0)} confidence {percent(a, 0)} right ({show(n)})" for c, a, n in bins)
    drawing = chart(Frame(x, y, height, "how sure the model was"), title=title, description=said, layers=layers, marks=marks)
    entries = [("how often it was right", "validation", False), ("perfectly calibrated", "reference", True)]
    return figure(title, drawing, note=note, legend=legend(entries))

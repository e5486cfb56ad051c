"""What the model relies on and what happens inside it."""

from __future__ import annotations

from typing import Any

from sonde.report.bars import Bar, bars
from sonde.report.field import heat_map, regions, surface
from sonde.report.html import Markup, facts, fold, join, name, prose, table, tag, term
from sonde.report.lines import Line, Zone, line_chart
from sonde.report.measures import measure, spread
from sonde.report.numbers import finite, items, plural, show, tables, text
from sonde.report.numbers import table as as_table
from sonde.report.read import Record, View

HEALTHY = (1e-6, 1e3)
IMPORTANCE_SHOWN = 20
TRACE_SHOWN = 30


def importance(record: Record, view: View) -> Markup:
    """Permutation importance with its standard deviation."""
    found = [
        (text(each.get("column")), finite(each.get("mean")), finite(each.get("sd"))) for each in tables(record.explain.get("importance"))
    ]
    known = sorted([(column, mean, sd) for column, mean, sd in found if mean is not None], key=lambda each: -each[1])
    if not known:
        return Markup("")
    key = text(record.explain.get("importance_metric")) or record.monitor
    rows = [Bar(column, [(mean, "validation")], spread(key, mean, sd), sd) for column, mean, sd in known[:IMPORTANCE_SHOWN]]
    word = measure(key).word
    note = prose("How much worse the {} becomes when a column is shuffled, mean ± [standard deviation] over the shuffles. ", word)
    note = join(
        [note, prose("A column whose whisker crosses 0 tells nothing for certain; two columns that say the same share their importance.")]
    )
    rest = [(name(column, 40), spread(key, mean, sd)) for column, mean, sd in known[IMPORTANCE_SHOWN:]]
    more = fold(f"The other {plural(len(rest), 'column')}", table(["column", "importance"], rest, numbers=(1,))) if rest else None
    return join([bars(f"Importance for the {word}", rows, note=note, size="full"), more])


def boundary(record: Record, view: View) -> Markup:
    """Which class is predicted where, for two features."""
    found = as_table(record.explain.get("boundary"))
    if not view.examples or not found:
        return Markup("")
    classes = [text(label) for label in items(found.get("classes"))] or record.classes
    xs, ys = _axis(found.get("xs")), _axis(found.get("ys"))
    cells = [[int(finite(value) or 0) for value in items(row)] for row in items(found.get("grid"))]
    points = _labelled(found.get("points"))
    labels = [text(label) for label in items(found.get("columns"))] + ["", ""]
    note = "The ground is what the model says there; the dots are examples in their true class. A ragged border hugs single examples: learning by heart."
    drawing = regions("Decision boundary", xs, ys, cells, classes=classes, points=points, x_label=labels[0], y_label=labels[1], note=note)
    return tag("div", {"class": "grid"}, drawing) if drawing else Markup("")


def _labelled(points: object) -> list[tuple[float, float, int]]:
    """Points as (x, y, class number)."""
    labelled = []
    for point in items(points):
        numbers = [finite(value) for value in items(point)]
        if len(numbers) == 3 and None not in numbers:
            x, y, label = (number or 0.0 for number in numbers)
            labelled.append((x, y, int(label)))
    return labelled


def loss_surface(record: Record, view: View) -> Markup:
    """The loss around the weights, with the path that the first steps took over it."""
    found = as_table(record.explain.get("surface"))
    xs, ys = _axis(found.get("xs")), _axis(found.get("ys"))
    values = [[finite(value) for value in items(row)] for row in items(found.get("loss"))]
    walk = []
    for place in items(found.get("path")):
        numbers = [finite(value) for value in items(place)]
        if len(numbers) == 2 and None not in numbers:
            walk.append((numbers[0] or 0.0, numbers[1] or 0.0))
    labels = [text(label) for label in items(found.get("labels"))] + ["", ""]
    note = prose(
        "Each place is one choice of weights, its depth of colour the [loss] there: the deeper, the lower. The line is the way that the [steps|step] took. "
    )
    note = join([note, prose("A [learning rate] that is too large swings across the valley; one too small creeps.")])
    drawing = surface("Loss surface", xs, ys, values, walk=walk, x_label=labels[0], y_label=labels[1], note=note)
    return tag("div", {"class": "grid"}, drawing) if drawing else Markup("")


def _axis(values: object) -> list[float]:
    known = [finite(value) for value in items(values)]
    return [value for value in known if value is not None] if None not in known else []


def scale(record: Record, view: View) -> Markup:
    """How large activations and gradients are in every layer, against the band in which numbers stay healthy."""
    events = [event for event in record.events.get("scale", []) if tables(event.get("layers"))]
    if not events:
        return Markup("")
    layers = [{**layer, "name": _layer(layer)} for layer in tables(events[-1].get("layers"))]
    names = [layer["name"] for layer in layers]
    lines = [
        Line(word, [(float(index), _positive(layer.get(key))) for index, layer in enumerate(layers)], kind, pointed=len(layers) <= 60)
        for word, key, kind in (
            ("activations", "activation", "validation"),
            ("gradients", "gradient", "test"),
            ("weights", "weight", "training"),
        )
    ]
    zone = Zone(*HEALTHY, "healthy: 10⁻⁶ … 1,000")
    step = finite(events[-1].get("step"))
    note = "From the first layer (left) to the last (right), root mean square" + (f" at step {show(step)}." if step is not None else ".")
    drawing = line_chart("Scale per layer", lines, log=True, zones=[zone], x_names=names, x_label="layer", note=note, height=220)
    rows = [
        (name(layer.get("name", ""), 40), *[show(finite(layer.get(key)), 3) for key in ("activation", "gradient", "weight")])
        for layer in layers
    ]
    numbers = fold("Every layer in numbers", table(["layer", "activation", "gradient", "weight"], rows, numbers=(1, 2, 3)))
    return join([_verdict(layers), tag("div", {"class": "grid"}, drawing, _over_time(events, names)), numbers])


def _layer(layer: dict[str, Any]) -> str:
    """A layer's name without that of the network, which all of them share."""
    return text(layer.get("name")).removeprefix("network.")


def _over_time(events: list[dict[str, Any]], names: list[str]) -> Markup | None:
    """The gradients of each layer at each of some steps."""
    if len(events) < 3 or not 2 <= len(names) <= 200:
        return None
    chosen = [events[index * (len(events) - 1) // (min(len(events), 40) - 1)] for index in range(min(len(events), 40))]
    columns = [show(event.get("step")) for event in chosen]
    by_name = [{_layer(layer): finite(layer.get("gradient")) for layer in tables(event.get("layers"))} for event in chosen]
    values = [[column.get(word) for column in by_name] for word in names]
    return heat_map(
        "Gradients over the steps",
        names,
        columns,
        values,
        log=True,
        x_label="step",
        note="One row a layer, the first on top; time runs to the right. The deeper the colour, the larger the gradient.",
    )


def _verdict(layers: list[dict[str, Any]]) -> Markup:
    """Which layer leaves the healthy band first, and what helps.

    Signals are followed upwards from the input, gradients downwards from the loss, as that is where they come from.
    """
    for layer in layers:
        said = _fault("activation", layer)
        if said:
            return said
    if layers and finite(layers[-1].get("gradient")) == 0:
        return tag("p", {"class": "good"}, prose("The last layer's [gradient] is exactly 0: the [loss] is met, nothing is left to learn."))
    for layer in reversed(layers):
        said = _fault("gradient", layer)
        if said:
            return said
    return tag("p", {"class": "good"}, prose("Every layer stays inside the healthy band: no [gradient] vanishes or explodes."))


def _fault(key: str, layer: dict[str, Any]) -> Markup | None:
    """A warning where one scale of a layer is outside the band or no number."""
    value = finite(layer.get(key))
    if layer.get(key) is None or (value is not None and HEALTHY[0] <= value <= HEALTHY[1]):
        return None
    if value is not None and value < HEALTHY[0]:
        said = prose("The {}s vanish first in **{}**: {}, under the healthy 10⁻⁶. ", key, name(layer["name"]), show(value, 3))
        cure = prose(
            "Layers below it learn next to nothing. ReLU instead of sigmoid, Xavier initialisation, batch normalisation or residual connections help."
        )
        return tag("p", {"class": "warning"}, said, cure)
    shown = f"{show(value, 3)}, over the healthy 1,000" if value is not None else "no finite number"
    said = prose("The {}s explode first in **{}**: {}. ", key, name(layer["name"]), shown)
    return tag("p", {"class": "warning"}, said, prose("A smaller [learning rate], clipping (`--clip 1`) or normalisation helps."))


def _positive(value: object) -> float | None:
    number = finite(value)
    return number if number is not None and number > 0 else None


def model_words(record: Record, view: View) -> Markup:
    """What the model itself reported, such as the perceptron's bound."""
    blocks = []
    known = {
        "updates": "updates needed",
        "bound": term("bound"),
        "radius": "radius r of the data",
        "margin": term("margin"),
        "separable": "linearly separable",
    }
    for event in record.events.get("model", [])[-3:]:
        message = text(event.get("message"))
        message = message[:1].upper() + message[1:]
        pairs = []
        for key, value in event.items():
            if key in ("event", "name", "message", "step", "time") or isinstance(value, (list, dict)):
                continue
            word = (
                {True: "yes", False: "no"}.get(value, "")
                if isinstance(value, bool)
                else show(value)
                if finite(value) is not None
                else text(value)
            )
            pairs.append((known.get(key, key.replace("_", " ")), word[:200] or "unknown"))
        if message or pairs:
            blocks.append(join([tag("p", {"class": "lead"}, message[:1000]) if message else None, facts(pairs)]))
    return join(blocks)


def trace(record: Record, view: View) -> Markup:
    """The first steps by hand: logits, output, loss, gradient, weights."""
    events = record.events.get("trace", [])
    if not events or not view.examples:
        return Markup("")
    head = ["step", "inputs", "targets", "logits", "output", "loss", "gradient", "weights after"]
    rows = []
    for event in events[:TRACE_SHOWN]:
        shortened = {**event, "gradient": _last_words(event.get("gradient")), "weights": _last_words(event.get("weights"))}
        cells = [_numbers(shortened.get(key)) for key in ("inputs", "targets", "logits", "output", "loss", "gradient", "weights")]
        rows.append([show(event.get("step")), *cells])
    shown = table(head, rows, numbers=range(8), wide=True)
    rest = len(events) - TRACE_SHOWN
    return join(
        [
            shown,
            tag("p", {"class": "note"}, f"The first {TRACE_SHOWN} of {show(len(events))} steps; events.jsonl holds them all.")
            if rest > 0
            else None,
        ]
    )


def _last_words(values: object) -> object:
    """Parameters by the last word of their name, where that tells them apart: `output.linear.bias` is `bias`."""
    if not isinstance(values, dict):
        return values
    words = {key.rpartition(".")[2]: value for key, value in values.items()}
    return words if len(words) == len(values) else values


def _numbers(value: object) -> str:
    """Nested numbers as a student would write them: (1.5, −3)."""
    if isinstance(value, dict):
        return "; ".join(f"{key} = {_numbers(inner)}" for key, inner in list(value.items())[:8])
    if isinstance(value, list):
        shown = ", ".join(_numbers(inner) for inner in value[:8]) + (", …" if len(value) > 8 else "")
        return shown if len(value) == 1 and isinstance(value[0], list) else f"({shown})" if len(value) != 1 else shown
    return show(value)

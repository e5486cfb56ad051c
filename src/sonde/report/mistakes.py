"""Where the model is wrong: classes mixed up, confidence, residuals, the forecast, and the worst examples."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sonde.report.bars import histogram
from sonde.report.html import Markup, fold, join, name, prose, shorten, table, tag
from sonde.report.lines import Line, line_chart, thin
from sonde.report.matrix import class_by_class as draw_classes
from sonde.report.matrix import confusion as draw_confusion
from sonde.report.numbers import finite, items, percent, plural, show, tables, text
from sonde.report.numbers import table as as_table
from sonde.report.points import calibration as draw_calibration
from sonde.report.points import scatter
from sonde.report.read import SPOKEN, Record, View

WORST_SHOWN = 24
COLUMNS_SHOWN = 6
LONG = 32  # characters from which a value with blanks is a text to read


def part_of(record: Record) -> str:
    """On which examples the figures were made, as a phrase."""
    part = text(record.explain.get("part"))
    return f"the {SPOKEN[part]} part" if part in SPOKEN else "held-out examples"


def _counted(record: Record) -> tuple[list[str], list[list[float]]]:
    """The classes, and how often each (row) was given each answer (column)."""
    found = as_table(record.explain.get("confusion"))
    classes = [text(label) for label in items(found.get("classes"))]
    return classes, [[finite(value) or 0.0 for value in items(row)] for row in items(found.get("counts"))]


def class_by_class(record: Record, view: View) -> Markup:
    """Precision and recall of every class, the hardest first."""
    return draw_classes(*_counted(record))


def confusion(record: Record, view: View) -> Markup:
    """Which classes are taken for which."""
    classes, counts = _counted(record)
    return draw_confusion(classes, counts, title=f"Confusion matrix on {part_of(record)}")


def calibration(record: Record, view: View) -> Markup:
    """Confidence against how often it was right."""
    found = as_table(record.explain.get("calibration"))
    bins = []
    for each in tables(found.get("bins")):
        confidence, accuracy, many = finite(each.get("confidence")), finite(each.get("accuracy")), finite(each.get("count"))
        if confidence is not None and accuracy is not None and many:
            bins.append((confidence, accuracy, many))
    if not bins:
        return Markup("")
    error = finite(found.get("error"))
    note = prose(
        "A dot under the line: surer than it should be. Above: more careful than it need be. The larger the dot, the more answers."
    )
    if error is not None:
        note = join([note, prose(" On average the two lie {} apart.", percent(error))])
    return draw_calibration("Confidence and truth", bins, note=note)


def residuals(record: Record, view: View) -> Markup:
    """Predictions against the truth; without examples only how the misses are distributed."""
    found = as_table(record.explain.get("residuals"))
    pairs = [(finite(t), finite(p)) for t, p in zip(items(found.get("target")), items(found.get("prediction")), strict=False)]
    points = [(t, p) for t, p in pairs if t is not None and p is not None]
    if not points:
        return Markup("")
    charts = [_misses([p - t for t, p in points])]
    if view.examples:
        targets = [t for t, _ in points]
        wide = min(min(pair) for pair in points) > 0 and max(targets) / min(targets) > 30
        gap = [(p, p - t) for t, p in points]
        charts = [
            scatter(
                "Prediction against truth",
                points,
                x_label="truth",
                y_label="prediction",
                diagonal=True,
                log=wide,
                note="On the line, a prediction is exact. Above it is too high, below too low.",
            ),
            scatter(
                "What is left over",
                gap,
                x_label="prediction",
                y_label="prediction − truth",
                level=0.0,
                note=prose(
                    "The [residuals|residual] should scatter evenly around 0: a bend or a funnel is something the model has not learned."
                ),
            ),
            *charts,
        ]
    return tag("div", {"class": "grid"}, [chart for chart in charts if chart])


def _misses(values: Sequence[float]) -> Markup:
    edges, counts = binned(values)
    return histogram(
        "How large the misses are",
        edges,
        counts,
        x_label="prediction − truth",
        note="Misses beyond the ends are counted in the first and the last bar.",
        at=(0.0, "exact") if edges and edges[0] < 0 < edges[-1] else None,
    )


def binned(values: Sequence[float], bins: int = 30) -> tuple[list[float], list[float]]:
    """Counts in even bins over the middle 98 % of `values`; those beyond count in the end bins."""
    ordered = sorted(values)
    cut = len(ordered) // 100
    low, high = ordered[cut], ordered[-1 - cut]
    if low == high:
        return [], []
    width = (high - low) / bins
    counts = [0.0] * bins
    for value in ordered:
        counts[min(max(int((value - low) / width), 0), bins - 1)] += 1
    return [low + index * width for index in range(bins)] + [high], counts


def forecast(record: Record, view: View) -> Markup:
    """The forecast beside what happened."""
    found = as_table(record.explain.get("forecast"))
    whens, targets, predictions = items(found.get("when")), items(found.get("target")), items(found.get("prediction"))
    size = min(len(targets), len(predictions))
    if not view.examples or size == 0:
        return Markup("")
    days, places = calendar(whens[:size], size)
    truth = [(at, finite(value)) for at, value in zip(places, targets, strict=False)]
    said = [(at, finite(value)) for at, value in zip(places, predictions, strict=False)]
    lines = [Line("what happened", thin(truth, 800), "training"), Line("forecast", thin(said, 800), "validation")]
    note = "Where the coloured line follows the grey one only a day late, the model has learned little more than “as today”."
    wide = line_chart(
        "Forecast on " + part_of(record), lines, days=days, x_label="" if days else "position", note=note, height=240, size="full"
    )
    near = []
    if size > 120:
        tail = [Line(line.name, points[-60:], line.kind) for line, points in zip(lines, (truth, said), strict=True)]
        near = [line_chart("The last 60 values, closer", tail, days=days, x_label="" if days else "position", size="full")]
    return join([wide, *near])


def calendar(whens: Sequence[object], size: int) -> tuple[bool, list[float]]:
    """Whether `whens` are dates, and their places: ordinals of the days, else 0, 1, 2 …"""
    try:
        places = [float(date.fromisoformat(text(when)[:10]).toordinal()) for when in whens]
    except ValueError:
        places = []
    return (True, places) if len(places) == size and size > 0 else (False, [float(index) for index in range(size)])


def worst(record: Record, view: View) -> Markup:
    """The examples with the largest loss, as pictures or rows."""
    found = tables(record.explain.get("worst"))[:WORST_SHOWN]
    if not view.examples or not found:
        return Markup("")
    cards = [(each, view.pictures.address(record.path, each.get("picture"))) for each in found]
    if any(picture for _, picture in cards):
        return tag("ul", {"class": "sheet"}, [_card(each, picture) for each, picture in cards])
    return _rows(record, found)


def _card(each: dict[str, Any], picture: str | None) -> Markup:
    target, prediction = text(each.get("target")), text(each.get("prediction"))
    sure = finite(each.get("probability"))
    title = text(each.get("name"))
    alt = f"{shorten(title, 60)}: true {shorten(target, 40)}, predicted {shorten(prediction, 40)}"
    image = tag("img", {"src": picture, "alt": alt, "loading": "lazy"}) if picture else tag("div", {"class": "absent"}, "no picture")
    said = [
        tag("span", {"class": "was"}, name(_value(each.get("target")), 26)),
        tag("span", {"class": "said-to-be"}, "taken for ", name(_value(each.get("prediction")), 26)),
        tag("span", {"class": "quiet"}, f"{percent(sure, 0)} sure" if sure is not None else f"loss {show(each.get('loss'), 3)}"),
    ]
    return tag("li", {"title": shorten(title, 200) or None}, image, tag("p", None, said))


def _rows(record: Record, found: Sequence[dict[str, Any]]) -> Markup:
    columns = _telling(record, found)
    numeric = finite(found[0].get("target")) is not None and not isinstance(found[0].get("target"), str)
    head = ["example", "truth", "prediction", *(["miss"] if numeric else ["sure"]), *[name(column, 20) for column in columns]]
    body = []
    for each in found:
        row = as_table(each.get("row"))
        miss = _miss(each) if numeric else percent(each.get("probability"), 0)
        label = name(each.get("name") if each.get("name") not in (None, "") else each.get("example", ""), 30)
        body.append(
            [
                label,
                _cell(each.get("target"), 200),
                _cell(each.get("prediction"), 200),
                miss,
                *[_cell(row.get(column), 24) for column in columns],
            ]
        )
    shown = table(head, body, numbers=(1, 2, 3) if numeric else (3,), wide=True, caption=None)
    whole = [
        fold(
            prose("{}, all {}", name(each.get("name", each.get("example", ""))), plural(len(as_table(each.get("row"))), "column")),
            _whole(each),
        )
        for each in found[:12]
        if len(as_table(each.get("row"))) > len(columns)
    ]
    return join([shown, fold("The whole rows", whole) if whole else None])


def _cell(value: object, length: int) -> Markup:
    """A value in at most `length` characters; words that make a text stand whole, in lines."""
    said = _value(value)
    if isinstance(value, str) and len(value) > LONG and " " in value:
        return tag("span", {"class": "long"}, value)
    return name(said, length)


def _whole(each: dict[str, Any]) -> Markup:
    pairs = list(as_table(each.get("row")).items())[:200]
    return tag(
        "dl",
        {"class": "facts small"},
        [tag("div", None, tag("dt", None, name(key, 28)), tag("dd", None, name(_value(value), 60))) for key, value in pairs],
    )


def _telling(record: Record, found: Sequence[dict[str, Any]]) -> list[str]:
    """The columns to show of each row: the most important ones, or else the first."""
    there = list(dict.fromkeys(key for each in found for key in as_table(each.get("row"))))
    ranked = sorted(tables(record.explain.get("importance")), key=lambda each: -(finite(each.get("mean")) or 0.0))
    best = [text(each.get("column")) for each in ranked if text(each.get("column")) in there]
    return list(dict.fromkeys([*best, *there]))[:COLUMNS_SHOWN]


def _miss(each: dict[str, Any]) -> str:
    target, prediction = finite(each.get("target")), finite(each.get("prediction"))
    if target is None or prediction is None:
        return "–"
    return ("+" if prediction > target else "") + show(prediction - target, 3)


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value[:8]) + (", …" if len(value) > 8 else "")
    return (
        show(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool)
        else "missing"
        if value is None
        else shorten(value, 200)
    )

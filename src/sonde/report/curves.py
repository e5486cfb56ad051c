"""How the training went: loss, measures, learning rate and gradient over the epochs, for one run or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sonde.report.html import Markup, fold, join, prose, table, tag
from sonde.report.lines import Line, Mark, Point, line_chart, smooth, thin
from sonde.report.measures import measure, written
from sonde.report.numbers import finite, finites, plural, show, text
from sonde.report.numbers import table as as_table
from sonde.report.read import SPOKEN, Record, View, best_time

SMOOTHED_FROM = 80
MEASURES_SHOWN = 4


def curves(record: Record, view: View) -> Markup:
    """Loss, measures, learning rate and gradient norm of one run (of the folds, where it has only those)."""
    if record.folds and not record.events.get("evaluate"):
        return _fold_curves(record)
    charts = [_loss(record), *[_measure(record, key) for key in _measures(record)], _rate(record), _gradient(record)]
    drawn = [chart for chart in charts if chart]
    if not drawn:
        return Markup("")
    return join([_broken(record), tag("div", {"class": "grid"}, drawn), _numbers(record)])


def overlay(records: Sequence[Record]) -> Markup:
    """Validation loss and measures of several runs, one colour a run."""
    keys = list(dict.fromkeys(key for record in records for key in ["loss", *_measures(record)]))[: MEASURES_SHOWN + 1]
    charts = []
    for key in keys:
        lines = [Line(record.name, evaluated(record, "validation", key), f"s{index % 8}") for index, record in enumerate(records[:8])]
        found = measure(key)
        values = [value for line in lines for _, value in line.known()]
        charts.append(
            line_chart(
                f"{found.word} on the validation part",
                lines,
                x_label=_time_word(records[0]),
                log=_wide(values),
                percent=found.share,
            )
        )
    drawn = [chart for chart in charts if chart]
    return tag("div", {"class": "grid"}, drawn) if drawn else Markup("")


def evaluated(record: Record, part: str, key: str) -> list[Point]:
    """(time, value) of a measure at every evaluation of `part`; a value that is no finite number is a gap.

    At the end the best weights are measured once more, at the time of the last ones: only the first counts.
    """
    points: dict[float, float | None] = {}
    for event in record.events.get("evaluate", []):
        metrics = as_table(event.get("metrics"))
        at = record.time(event)
        if event.get("part") == part and key in metrics and at is not None:
            points.setdefault(at, finite(metrics[key]))
    return list(points.items())


def trained(record: Record, key: str) -> list[Point]:
    """(time, value) of a number in the training events, from the event itself or from its measures."""
    points: list[Point] = []
    for event in record.events.get("train", []):
        at = record.time(event)
        source = event if key in event else as_table(event.get("metrics"))
        if at is not None and key in source:
            points.append((at, finite(source[key])))
    return points


def _training_lines(points: Sequence[Point]) -> list[Line]:
    """The training line; where there are many points, all of them pale and their running mean strong."""
    known = [(x, y) for x, y in points if y is not None]
    if len(known) < SMOOTHED_FROM:
        return [Line("training", thin(points), "training", pointed=len(known) <= 30)]
    width = max(2, len(known) // 40)
    return [Line("every report", thin(points), "training", faint=True), Line("training", thin(smooth(known, width)), "training")]


def _lines(record: Record, key: str) -> list[Line]:
    lines = _training_lines(evaluated(record, "train", key) or trained(record, key))
    for part in ("validation", "test"):
        points = evaluated(record, part, key)
        if part == "validation" or len(points) > 1:
            lines.append(Line(SPOKEN[part], thin(points), part, pointed=len(points) <= 30))
    return lines


def _loss(record: Record) -> Markup:
    lines = _lines(record, "loss")
    values = [value for line in lines for _, value in line.known()]
    log = _wide(values)
    note = "The number that training makes small." + (" The axis is logarithmic: equal heights are equal ratios." if log else "")
    if any(line.faint for line in lines):
        note += " Pale: every report; strong: their running mean."
    return line_chart("Loss", lines, x_label=_time_word(record), log=log, marks=_best(record, "loss", lines), note=note)


def _measure(record: Record, key: str) -> Markup:
    lines, found = _lines(record, key), measure(key)
    if key != record.monitor and all(len(line.known()) < 2 for line in lines):
        return Markup("")  # a measure that is taken once, at the end, is no curve
    word = found.word if found.word[1:2].isupper() else found.word[:1].upper() + found.word[1:]  # mAP stays mAP
    values = [value for line in lines for _, value in line.known()]
    better = "Higher is better." if found.better == "higher" else "Lower is better."
    return line_chart(
        word,
        lines,
        x_label=_time_word(record),
        percent=found.share,
        log=found.better == "lower" and _wide(values),
        marks=_best(record, key, lines),
        note=better,
    )


def _rate(record: Record) -> Markup:
    points = thin(trained(record, "lr"))
    line = Line("", points, "validation")
    if len(line.known()) < 2:
        return Markup("")
    return line_chart(
        "Learning rate",
        [line],
        x_label=_time_word(record),
        note=prose("How far the weights move in one [step]."),
        include=(0.0,),
        height=150,
    )


def _gradient(record: Record) -> Markup:
    points = trained(record, "gradient_norm")
    line = Line("", thin(points), "validation")
    known = [value for _, value in line.known()]
    if len(known) < 2:
        return Markup("")
    note = prose("How long the [gradient] of all weights is together. Sudden peaks mean unstable steps.")
    return line_chart("Gradient norm", [line], x_label=_time_word(record), log=_wide(known), note=note, height=150)


def _best(record: Record, key: str, lines: Sequence[Line]) -> list[Mark]:
    at = best_time(record)
    validation = next((line.known() for line in lines if line.kind == "validation"), [])
    if at is None or not validation:
        return []
    x, y = min(validation, key=lambda point: abs(point[0] - at))
    return [Mark(x, y, f"best, {written(key, y)}")]


def _measures(record: Record) -> list[str]:
    """The measures that were followed, the one to choose by first."""
    keys: dict[str, None] = {}
    for event in record.events.get("evaluate", []):
        keys.update(dict.fromkeys(key for key in as_table(event.get("metrics")) if key != "loss"))
    for event in record.events.get("train", [])[:50]:
        keys.update(dict.fromkeys(as_table(event.get("metrics"))))
    keys.pop("loss", None)
    monitor = record.monitor
    return sorted(keys, key=lambda key: (key != monitor, list(keys).index(key)))[:MEASURES_SHOWN]


def _broken(record: Record) -> Markup | None:
    """A word on losses that were no finite number."""
    events = record.events.get("train", [])
    bad = [event for event in events if "loss" in event and finite(event["loss"]) is None]
    if not bad:
        return None
    first = show(finite(bad[0].get("step")))
    return tag(
        "p",
        {"class": "warning"},
        prose("The [loss] was not a finite number in {} of {}, first at [step] {}. ", show(len(bad)), plural(len(events), "report"), first),
        prose("Usual remedies: a smaller [learning rate] (`--lr`), clipping (`--clip 1`), and a look at the data for infinities."),
    )


def _numbers(record: Record) -> Markup | None:
    """Every evaluation as a table: the curves for those who would rather read them."""
    keys = ["loss", *_measures(record)]
    rows: dict[float, dict[str, str]] = {}
    for part in ("train", "validation", "test"):
        for key in keys:
            for at, value in evaluated(record, part, key):
                rows.setdefault(at, {})[f"{SPOKEN[part]} {measure(key).word}"] = written(key, value)
    if not rows:
        return None
    heads = list(dict.fromkeys(head for row in rows.values() for head in row))
    times = sorted(rows)
    shown = times if len(times) <= 100 else [times[index * (len(times) - 1) // 99] for index in range(100)]
    body = [[show(at, 3), *[rows[at].get(head, "–") for head in heads]] for at in shown]
    return fold("All these numbers as a table", table([_time_word(record), *heads], body, numbers=range(len(heads) + 1), wide=True))


def _fold_curves(record: Record) -> Markup:
    """The same measure of every fold: on its validation part where there is one, else on what it trains on."""
    charts = []
    keys = list(dict.fromkeys(key for run in record.folds for key in ["loss", *_measures(run)]))[:MEASURES_SHOWN]
    runs = record.folds[:10]
    for key in keys:
        points = [evaluated(run, "validation", key) for run in runs]
        part = "validation" if any(len(each) > 1 for each in points) else "training"
        if part == "training":
            points = [trained(run, key) for run in runs]
        lines = [Line(f"fold {index + 1}", thin(each), f"s{index % 8}") for index, each in enumerate(points)]
        values = [value for line in lines for _, value in line.known()]
        found = measure(key)
        title = f"{found.word} on each fold's {part} part"
        charts.append(line_chart(title, lines, x_label=_time_word(runs[0]), percent=found.share, log=_wide(values)))
    drawn = [chart for chart in charts if chart]
    return tag("div", {"class": "grid"}, drawn) if drawn else Markup("")


def _time_word(record: Record) -> str:
    return "epoch" if record.steps_per_epoch else "step"


def _wide(values: Sequence[float]) -> bool:
    """Whether a logarithmic axis shows more: positive values that span a factor of over 30."""
    return bool(values) and min(values) > 0 and max(values) / min(values) > 30


def stop_words(record: Record) -> str:
    """Why the training ended, for a reader."""
    reasons: dict[str, str] = {
        "epochs": "all epochs done",
        "minutes": "the time budget was spent",
        "patience": "the validation score had stopped improving",
        "signal": "it was interrupted",
        "nan": "the loss was no longer a number",
    }
    last: dict[str, Any] = (record.events.get("stop") or [{}])[-1]
    reason = text(record.metrics.get("stopped") or last.get("reason"))
    return reasons.get(reason, reason)


def throughput(record: Record) -> list[float]:
    """Examples a second, as each training event reported them."""
    return finites([event.get("examples_per_second") for event in record.events.get("train", [])])

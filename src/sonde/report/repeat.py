"""The recipe, the commands that repeat and use the run, where it ran, its speed, its folds and its test looks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from sonde.report.bars import strip
from sonde.report.curves import throughput
from sonde.report.html import Markup, coded, facts, fold, join, name, prose, table, tag, term
from sonde.report.lines import Line, line_chart, thin
from sonde.report.measures import measure, spread, written
from sonde.report.numbers import count, finite, plural, seconds, show, tables, text
from sonde.report.numbers import table as as_table
from sonde.report.read import Record, View

PHASES = {
    "prepare": "preparing",
    "train": "training",
    "evaluate": "evaluating",
    "compile": "compiling",
    "explain": "explaining",
    "other": "the rest",
}
_FINGERPRINT = re.compile(r"[0-9a-f]{40,}")
PERSONAL = ("user", "host", "node", "path", "home", "cwd", "folder", "command")


def recipe(record: Record, view: View) -> Markup:
    """Every value as it was used."""
    if not record.recipe_text.strip():
        return Markup("")
    return tag("pre", {"class": "code", "tabindex": "0"}, tag("code", None, record.recipe_text[:20_000]))


def commands(record: Record, view: View) -> Markup:
    """What to type to repeat the run and to use the model."""
    run = shlex.quote(str(record.path))
    epochs = finite(as_table(record.recipe.get("training")).get("epochs"))
    more = int(2 * epochs) if epochs else 20
    new = "NEW.csv" if text(record.data.get("kind") or record.model.get("kind")) != "images" else "PICTURE.jpg"
    lines = [
        ("train it again from the start", f"sonde train {shlex.quote(str(record.path / 'recipe.toml'))}"),
        ("go on, or train longer", f"sonde train --resume {run} --epochs {more}"),
        ("predict for new examples", f"sonde predict {run} {new}"),
        ("measure it on other data", f"sonde evaluate {run} DATA"),
    ]
    rows = [tag("div", None, tag("dt", None, what), tag("dd", None, tag("code", {"class": "command"}, line))) for what, line in lines]
    python = f"import sonde\n\nrun = sonde.load({str(record.path)!r})\nrun.predict({new!r})\nrun.model  # a torch.nn.Module"
    same = "The same recipe, data and seed give the same result on the same machine with the same versions (below)."
    return join(
        [
            tag("dl", {"class": "commands"}, rows),
            fold("From Python", tag("pre", {"class": "code"}, tag("code", None, python))),
            tag("p", {"class": "note"}, same),
        ]
    )


def environment(record: Record, view: View) -> Markup:
    """Versions, threads and device."""
    pairs = [(key, value) for key, value in _flat(record.environment) if view.examples or not any(word in key.lower() for word in PERSONAL)]
    return facts([(name(key, 32), name(value, 70)) for key, value in pairs[:60]])


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            pairs += _flat(value, "" if key in ("versions", "packages") else f"{prefix}{key} ")
        elif isinstance(value, list):
            pairs.append((f"{prefix}{key}", (" " if key == "command" else ", ").join(map(str, value[:40]))))
        elif value is not None and key != "format":
            shown = ("yes" if value else "no") if isinstance(value, bool) else show(value) if isinstance(value, float) else str(value)
            shown = f"{shown[:16]}…" if _FINGERPRINT.fullmatch(shown) else shown
            pairs.append((f"{prefix}{key}".replace("_", " "), shown))
    return pairs


def looks(record: Record, view: View) -> Markup:
    """How often the test part was measured, and why that matters."""
    many = count(record.looks.get("test"))
    if many is None:
        many = count(record.metrics.get("test_looks"))
    if many is None:
        return Markup("")
    folds = len(tables(record.metrics.get("folds")))
    if folds and many <= folds:
        return tag("p", {"class": "good"}, prose("What each [fold] held out was looked at once: its number is honest."))
    if many == 0:
        return tag("p", {"class": "good"}, prose("Nobody has looked at the [test] part of this [run] yet."))
    if many == 1:
        return tag("p", {"class": "good"}, prose("The [test] part of this [run] was looked at **once**: its number is honest."))
    said = prose("The [test] part of this [run] was looked at **{} times**. ", show(many))
    return tag(
        "p",
        {"class": "warning"},
        said,
        prose(
            "Whoever chooses by it fits to it, a little more with each look; for an honest number take [examples|example] nobody has measured on."
        ),
    )


def folds(record: Record, view: View) -> Markup:
    """Each fold's measures, their mean and standard deviation, and the out-of-fold measure."""
    each = tables(record.metrics.get("folds"))
    mean, sd = as_table(record.metrics.get("mean")), as_table(record.metrics.get("sd"))
    whole = as_table(record.metrics.get("out_of_fold"))
    keys = list(dict.fromkeys([*mean, *[key for fold_ in each for key, value in fold_.items() if finite(value) is not None]]))
    keys = [key for key in keys if key not in ("fold", "epoch", "epochs", "step", "steps")]
    if not keys or not (each or mean):
        return Markup("")
    keys.sort(key=lambda key: key != record.monitor)
    rows: list[list[object]] = [
        [f"fold {index + 1}", *[written(key, fold_.get(key)) for key in keys]] for index, fold_ in enumerate(each[:100])
    ]
    if mean:
        rows.append([tag("b", None, "mean ± sd"), *[tag("b", None, spread(key, mean.get(key), sd.get(key))) for key in keys]])
    train = as_table(record.metrics.get("train"))
    if train:
        rows.append([term("training"), *[written(key, train.get(key)) for key in keys]])
    if whole:
        rows.append(["out of fold", *[written(key, whole.get(key)) for key in keys]])
    return table(["", *[measure(key).word for key in keys]], rows, numbers=range(1, len(keys) + 1))


def speed(record: Record, view: View) -> Markup:
    """Examples a second over the training, and where the time went."""
    charts = [_throughput(record), _phases(record)]
    drawn = [chart for chart in charts if chart]
    return tag("div", {"class": "grid"}, drawn) if drawn else Markup("")


def _throughput(record: Record) -> Markup:
    if len(throughput(record)) < 3:
        return Markup("")
    events = record.events.get("train", [])
    points = [(record.time(event), finite(event.get("examples_per_second"))) for event in events]
    line = Line("", thin([(at, value) for at, value in points if at is not None]), "validation")
    return line_chart("Examples a second", [line], x_label="epoch" if record.steps_per_epoch else "step", include=(0.0,), height=150)


def _phases(record: Record) -> Markup:
    spent = {
        key: value
        for key, value in ((key, finite(value)) for key, value in as_table(record.metrics.get("seconds")).items())
        if value is not None and value >= 0
    }
    total = spent.pop("total", None)
    if total is not None and total > sum(spent.values()) * 1.01:
        spent["other"] = total - sum(spent.values())
    pieces = [(PHASES.get(key, key), value, seconds(value)) for key, value in spent.items()]
    whole = total if total is not None else sum(spent.values())
    return strip(pieces, title="Where the time went", note=f"{seconds(whole)} in all.")


def differences(records: Sequence[Record]) -> Markup:
    """The recipe values that are not the same in all of the runs."""
    flat = [dict(_flat(record.recipe)) for record in records]
    keys = [key for key in dict.fromkeys(key for values in flat for key in values) if len({values.get(key, "") for values in flat}) > 1]
    if not keys:
        return tag("p", {"class": "note"}, "The recipes are the same in every value.") if all(flat) else Markup("")
    rows = [[name(key, 32), *[name(values.get(key, "–"), 40) for values in flat]] for key in keys[:60]]
    return table(["recipe value", *[name(record.name, 24) for record in records]], rows, wide=True)


def happened(record: Record, view: View) -> Markup:
    """Notes that the training wrote, in order."""
    found = [text(event.get("message")) for event in record.events.get("note", []) if event.get("message")]
    if not found or not view.examples:
        return Markup("")
    shown = [tag("li", None, coded(message)) for message in dict.fromkeys(found[:60])]
    return fold(plural(len(shown), "note"), tag("ul", {"class": "plain"}, shown), opened=len(shown) <= 8)

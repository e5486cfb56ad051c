"""The top of a report: what was trained on what, the one number, and what it means."""

from __future__ import annotations

from datetime import UTC, datetime

from sonde.report.curves import stop_words
from sonde.report.html import Markup, facts, join, name, prose, shorten, table, tag, term
from sonde.report.measures import interval, meaning, measure, spread, written
from sonde.report.numbers import count, finite, plural, seconds, show, tables, text
from sonde.report.numbers import table as as_table
from sonde.report.read import PARTS, SPOKEN, Record, part_sizes

THINGS = {"images": "pictures", "boxes": "pictures", "masks": "pictures", "table": "rows", "series": "examples"}


def headline(record: Record) -> Markup:
    """Name, sentence, number with its meaning, and the facts of the training."""
    return join([heading(record), answer(record), summary(record)])


def heading(record: Record, level: int = 1) -> Markup:
    """The run's name and one sentence on what was trained on what."""
    return join([tag(f"h{level}", {"class": "title"}, name(record.name, 60)), tag("p", {"class": "lead"}, sentence(record))])


def sentence(record: Record) -> Markup:
    """`resnet18` learned to tell 10 classes of picture apart, on digits: 1,797 pictures."""
    model = text(as_table(record.model.get("model")).get("name") or as_table(record.recipe.get("model")).get("name"))
    task = text(
        as_table(record.model.get("task")).get("name")
        or as_table(record.data.get("task")).get("name")
        or as_table(record.recipe.get("task")).get("name")
    )
    head = prose("**{}** ", name(model)) if model else Markup("A model ")
    return join([head, _purpose(record, task), _material(record), "."])


def _purpose(record: Record, task: str) -> Markup:
    targets = as_table(record.data.get("task")).get("targets") or as_table(as_table(record.model.get("task")).get("target")).get("columns")
    names = [shorten(target, 40) for target in targets] if isinstance(targets, list) else []
    what = name(", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")) if names else None
    classes = len(record.classes) or len(tables(record.data.get("classes")))
    pictures = text(record.model.get("kind") or record.data.get("kind")) == "images"
    if task == "classification" and pictures and classes:
        return prose("was trained to tell {} of picture apart", plural(classes, "class", "classes"))
    if task == "classification" and what:
        return (
            prose("was trained to choose {} among {}", what, plural(classes, "class", "classes"))
            if classes
            else prose("was trained to classify {}", what)
        )
    if task == "detection":
        return prose("was trained to find {} in pictures", plural(classes, "class of object", "classes of object") if classes else "objects")
    if task == "multi-label-classification":
        return (
            prose("was trained to give each example its labels out of {}", show(len(names)))
            if names
            else prose("was trained to label examples")
        )
    if task == "forecasting":
        return prose("was trained to forecast {}", what) if what else prose("was trained to forecast a series")
    if what:
        return prose("was trained to predict {}", what)
    return prose("was trained on {}", task.replace("-", " ")) if task else prose("was trained")


def _material(record: Record) -> Markup:
    kind = text(record.data.get("kind") or record.model.get("kind"))
    source = text(record.data.get("name") or as_table(record.recipe.get("data")).get("path"))
    sizes = part_sizes(record)
    total = sizes.get("all") or sum(size for part, size in sizes.items() if part in PARTS)
    if _folded(record):  # every example is in one held-out part and in the training part of the other folds
        total = sizes.get("test", 0)
    many = f"{show(total)} {THINGS.get(kind, 'examples')}" if total else ""
    if source:
        return prose(" on **{}**{}", name(source), f" ({many})" if many else "")
    return prose(" on {}", many) if many else Markup("")


def _folded(record: Record) -> bool:
    return bool(as_table(record.metrics.get("mean")))


def answer(record: Record) -> Markup:
    """The main number, large, with what it was measured on and what it means."""
    key = record.monitor
    if not key:
        return _unfinished(record)
    if _folded(record):
        return _fold_answer(record, key)
    for part in ("test", "validation", "train"):
        metrics = as_table(record.metrics.get(part))
        value = finite(metrics.get(key))
        if value is not None:
            return _answer(record, key, value, part)
    events = [event for event in record.events.get("evaluate", []) if finite(as_table(event.get("metrics")).get(key)) is not None]
    if events:
        part = text(events[-1].get("part"))
        value = finite(as_table(events[-1].get("metrics")).get(key)) or 0.0
        return join([_unfinished(record), _answer(record, key, value, part if part in PARTS else "validation")])
    return _unfinished(record)


def _answer(record: Record, key: str, value: float, part: str) -> Markup:
    where = join([measure(key).word, " on the ", term(SPOKEN[part]), " part"])
    lines = [meaning(key, value, part), _context(record, key, value, part)]
    return _block(written(key, value), where, [line for line in lines if line])


def _block(number: object, where: object, lines: list[Markup]) -> Markup:
    big = "big" if len(str(number)) < 8 else "big long"
    said = tag("div", {"class": "said"}, tag("p", {"class": "where"}, where), [tag("p", None, line) for line in lines])
    return tag("div", {"class": "answer"}, tag("p", {"class": big}, number), said)


def _context(record: Record, key: str, value: float, part: str) -> Markup:
    """What chance alone does to the number, and what the simplest answer would reach."""
    size = part_sizes(record).get(part)
    pieces = []
    if part == "train":
        pieces.append(prose("That is how well it knows what it has seen; it says nothing of [unseen] examples. "))
    elif key == "accuracy" and size and 0 <= value <= 1:
        low, high = interval(value, size)
        pieces.append(
            prose(
                "Measured on {}; another such sample would likely give between {} and {}. ",
                plural(size, "example"),
                written(key, low),
                written(key, high),
            )
        )
    elif size:
        pieces.append(prose("Measured on {}. ", plural(size, "example")))
    share = _majority(record, part)
    if key == "accuracy" and share:
        pieces.append(prose("Always giving the commonest [class] would reach {}.", written(key, share)))
    metrics = as_table(record.metrics.get(part))
    yesterday = finite(metrics.get("persistence-mae"))
    if key == "mae" and yesterday is not None:
        verdict = "" if value < yesterday else ", which is no worse than this model"
        pieces.append(prose("Saying “as today” ([persistence]) is {} off{}.", show(yesterday), verdict))
    r2 = finite(metrics.get("r2"))
    if key in ("rmse", "mae", "rmsle") and r2 is not None:
        pieces.append(
            prose("It explains {} of the variance of the [target].", written("accuracy", r2))
            if r2 > 0
            else prose("That is no better than always giving the mean.")
        )
    return join(pieces)


def _majority(record: Record, part: str) -> float | None:
    """The share of the commonest training class in `part`."""
    rows = [as_table(row.get("counts")) for row in tables(record.data.get("classes"))]
    train = [count(row.get("train", row.get("all"))) or 0 for row in rows]
    measured = [count(row.get(part, row.get("all"))) or 0 for row in rows]
    if not rows or sum(measured) == 0 or sum(train) == 0:
        return None
    return measured[train.index(max(train))] / sum(measured)


def _fold_answer(record: Record, key: str) -> Markup:
    mean, sd = as_table(record.metrics.get("mean")), as_table(record.metrics.get("sd"))
    key = key if key in mean else next(iter(mean))
    value = finite(mean.get(key))
    folds = len(tables(record.metrics.get("folds"))) or len(record.folds)
    where = join(
        [measure(key).word, ", mean over ", f"{show(folds)} " if folds else "", term("folds", "fold"), " ± ", term("standard deviation")]
    )
    lines = [meaning(key, value, "test")] if value is not None else []
    lines.append(
        prose("Each [fold] was held out once while the others trained, so every example was measured by a model that never saw it.")
    )
    whole = finite(as_table(record.metrics.get("out_of_fold")).get(key))
    if whole is not None:
        lines.append(prose("All [out of fold] predictions together give {}.", written(key, whole)))
    return _block(spread(key, value, sd.get(key)), where, lines)


def _unfinished(record: Record) -> Markup:
    if record.metrics:
        return Markup("")
    last = (record.events.get("stop") or [{}])[-1]
    why = stop_words(record)
    step = finite(last.get("step"))
    said = prose(
        "This run has no final measurement{}{}. ",
        f": {why}" if why else ": it has not finished",
        f" at step {show(step)}" if step is not None else "",
    )
    return tag("p", {"class": "warning"}, said, prose("`{}` goes on where it stopped.", f"sonde train --resume {record.path}"))


def summary(record: Record) -> Markup:
    """Model, length, time and speed of the training."""
    metrics, training = record.metrics, as_table(record.recipe.get("training"))
    start = (record.events.get("start") or [{}])[0]
    parameters = count(record.model.get("parameters")) or count(start.get("parameters"))
    epochs, steps = finite(metrics.get("epochs")), finite(metrics.get("steps"))
    time = as_table(metrics.get("seconds"))
    sizes = part_sizes(record)
    shares = ", ".join(f"{show(sizes[part])} {SPOKEN[part]}" for part in PARTS if part in sizes)
    if _folded(record) and "train" in sizes and "test" in sizes:
        shares = f"{show(sizes['train'])} training in each fold, {show(sizes['test'])} held out once"
    length = ", ".join(
        piece
        for piece in (plural(epochs, "epoch") if epochs is not None else "", plural(steps, "step") if steps is not None else "")
        if piece
    )
    pairs = [
        ("examples", shares),
        (term("parameters", "parameter"), show(parameters) if parameters is not None else None),
        ("trained", length),
        ("time", seconds(time.get("total")) if finite(time.get("total")) is not None else None),
        ("speed", f"{show(metrics.get('examples_per_second'), 3)} examples/s" if finite(metrics.get("examples_per_second")) else None),
        ("device", text(record.environment.get("device") or training.get("device"))),
        ("ended because", stop_words(record)),
        ("seed", show(training.get("seed")) if "seed" in training else None),
        ("started", started(start.get("time"))),
    ]
    return facts(pairs)


def started(value: object) -> str:
    """A time stamp for a reader, in UTC; text is taken as it is."""
    stamp = finite(value)
    if stamp is None:
        return text(value)[:40]
    try:
        return f"{datetime.fromtimestamp(stamp, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return ""


def results(record: Record) -> Markup:
    """Every measure on every part, and what the gap between them says."""
    metrics = {part: as_table(record.metrics.get(part)) for part in PARTS}
    parts = [part for part in PARTS if metrics[part]]
    keys = list(dict.fromkeys(key for part in reversed(parts) for key in metrics[part]))
    if not keys:
        return Markup("")
    if parts == ["train"] and _folded(record):
        return Markup("")  # the table of the folds holds it
    keys.sort(key=lambda key: (key != record.monitor, key == "loss"))
    head = ["measure", *[term(SPOKEN[part]) for part in parts], "better"]
    rows = []
    for key in keys:
        found = measure(key)
        rows.append([found.word, *[written(key, metrics[part].get(key)) for part in parts], found.better])
    return join([table(head, rows, numbers=range(1, len(parts) + 1), caption=None), _gap(record, metrics)])


def _gap(record: Record, metrics: dict[str, dict[str, object]]) -> Markup | None:
    """Whether the model does clearly worse on what it has not seen."""
    key = record.monitor
    train = finite(metrics["train"].get(key))
    part = next((part for part in ("validation", "test") if finite(metrics[part].get(key)) is not None), None)
    if train is None or part is None:
        return None
    unseen = finite(metrics[part].get(key)) or 0.0
    found = measure(key)
    if found.share:
        gap = train - unseen if found.better == "higher" else unseen - train
        far = gap > 0.05
        words = f"{abs(100 * gap):.1f} points"
    elif found.better == "lower" and train > 0:
        far, words = unseen > 1.25 * train, f"{show(unseen / train, 3)} times as large an error"
    else:
        far, words = train - unseen > 0.1, f"{show(abs(train - unseen), 2)}"
    shown = (written(key, train), written(key, unseen), words)
    if far:
        said = prose("It does clearly better on what it has seen ({}) than on what it has not ({}): {}. That is [overfitting]. ", *shown)
        said = join([said, prose("More data, augmentation, [weight decay], a smaller model or [early stopping] help.")])
    else:
        said = prose("On what it has seen it reaches {}, on what it has not {}: {} apart. There is no clear sign of [overfitting].", *shown)
        if not found.share and found.better == "lower" and train > 0:
            said = prose("On what it has seen it reaches {}, on what it has not {}: {}. There is no clear sign of [overfitting].", *shown)
    return tag("p", {"class": "note"}, said)

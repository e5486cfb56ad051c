"""What a detector finds, misses and invents."""

from __future__ import annotations

from typing import Any

from sonde.report.html import Markup, facts, figure, fold, join, name, prose, shorten, table, tag, term
from sonde.report.lines import Line, line_chart
from sonde.report.matrix import confusion as draw_confusion
from sonde.report.mistakes import part_of
from sonde.report.numbers import count, finite, items, percent, plural, show, tables, text
from sonde.report.numbers import table as as_table
from sonde.report.read import Record, View

SIZES = {
    "all": "all sizes",
    "small": "small: less than 32 × 32 pixels",
    "medium": "medium",
    "large": "large: more than 96 × 96 pixels",
}
KINDS = {
    "another class": "an object of another class stands there",
    "found twice": "an object that was found already",
    "badly placed": "near an object of its class, with an overlap below one half",
    "nothing there": "no object of its class is near",
}
WIDE = 660  # pixels of a picture that shows the truth beside the answer
CLASSES_SHOWN = 20


def _found(record: Record) -> dict[str, Any]:
    return as_table(record.explain.get("detection"))


def found(record: Record, view: View) -> Markup:
    """Average precision by size, the curves of precision over recall, and each class with its counts."""
    told = _found(record)
    if not told:
        return Markup("")
    return join([_sizes(told), _curves(record, told), _classes(told), _facts(told)])


def _sizes(told: dict[str, Any]) -> Markup:
    rows = []
    for each in tables(told.get("sizes")):
        if count(each.get("objects")):
            values = [percent(each.get(key)) for key in ("map", "map-50", "map-75", "recall-100")]
            rows.append([SIZES.get(text(each.get("size")), text(each.get("size"))), show(each.get("objects")), *values])
    head = ["objects", "how many", term("mAP", "average precision"), "at IoU ½", "at IoU ¾", term("recall")]
    return table(head, rows, numbers=range(1, 6)) if rows else Markup("")


def _curves(record: Record, told: dict[str, Any]) -> Markup:
    lines = []
    for number, each in enumerate(tables(told.get("curves"))):
        points = [(finite(x) or 0.0, finite(y)) for x, y in zip(items(each.get("recall")), items(each.get("precision")), strict=False)]
        label = f"{shorten(text(each.get('class')), 24)} {percent(each.get('ap'), 0)}"
        lines.append(Line(label, points, f"s{number % 8}", dashed=number >= 8))
    note = prose(
        "From left to right less and less sure detections are let in: more is found ([recall]), more is wrong ([precision] falls). "
        "The area under a curve is its [average precision], here at an overlap of one half."
    )
    return line_chart(
        f"Precision over recall on {part_of(record)}",
        lines,
        x_label="recall",
        percent=True,
        note=note,
        height=260,
        include=(0.0, 1.0),
        x_ticks=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        size="full",
    )


def _classes(told: dict[str, Any]) -> Markup:
    head = ["class", "objects", "detections", "right", term("recall"), term("precision"), "AP at IoU ½", "AP"]
    rows = []
    for each in sorted(tables(told.get("counts")), key=lambda each: -(finite(each.get("ap-50")) or -1.0)):
        there, said, right = (finite(each.get(key)) or 0.0 for key in ("objects", "detections", "right"))
        shares = [percent(right / there) if there else "–", percent(right / said) if said else "–"]
        values = [percent(each.get(key)) if finite(each.get(key)) is not None else "–" for key in ("ap-50", "ap")]
        rows.append([name(each.get("class"), 40), show(there), show(said), show(right), *shares, *values])
    if not rows:
        return Markup("")
    first = table(head, rows[:CLASSES_SHOWN], numbers=range(1, 8))
    rest = rows[CLASSES_SHOWN:]
    note = f"Detections of a score of {show(told.get('score'))} and more; right are those that overlap an object of their class by one half."
    return figure("Class by class", join([first, fold(f"The other {len(rest)} classes", table(head, rest, numbers=range(1, 8))) if rest else None]), note=note)


def _facts(told: dict[str, Any]) -> Markup:
    bounds = as_table(told.get("facts"))
    canvas = [show(side) for side in items(bounds.get("canvas"))]
    pairs = [
        ("pictures", show(told.get("pictures"))),
        ("objects in them", show(bounds.get("objects"))),
        ("most in one picture", show(bounds.get("most"))),
        ("pictures without any", show(bounds.get("empty"))),
        ("canvas", f"{canvas[1]} × {canvas[0]} pixels" if len(canvas) == 2 else None),
        ("slots in training", show(bounds.get("slots"))),
    ]
    return facts(pairs)


def confusion(record: Record, view: View) -> Markup:
    """Which classes are taken for which, for the background, and the background for which."""
    counted = as_table(_found(record).get("confusion"))
    classes = [text(label) for label in items(counted.get("classes"))]
    counts = [[finite(value) or 0.0 for value in items(row)] for row in items(counted.get("counts"))]
    drawn = draw_confusion(classes, counts, title=f"Objects and what they were taken for on {part_of(record)}")
    if not drawn:
        return drawn
    said = prose("The last column counts objects that were missed, the last row detections where nothing is.")
    return join([drawn, tag("p", {"class": "note"}, said)])


def mistakes(record: Record, view: View) -> Markup:
    """What is wrong with the wrong detections, and what another threshold would change."""
    told = _found(record)
    kinds = as_table(told.get("mistakes"))
    total = sum(finite(value) or 0.0 for value in kinds.values())
    shown = [(KINDS[kind], show(kinds[kind]), percent((finite(kinds[kind]) or 0.0) / total) if total else "–") for kind in KINDS if kind in kinds]
    rows = []
    for each in tables(told.get("thresholds")):
        values = [percent(each.get(key)) if finite(each.get(key)) is not None else "–" for key in ("precision", "recall")]
        rows.append([show(each.get("score")), show(each.get("detections")), show(each.get("right")), *values])
    if not shown and not rows:
        return Markup("")
    kinds_of = table(["wrong, as", "times", "of all wrong ones"], shown, numbers=(1, 2)) if total else None
    head = ["score at least", "detections", "right", term("precision"), term("recall")]
    note = prose("`sonde predict RUN PICTURES --score 0.5` keeps what is at least so sure; higher means fewer false alarms and more misses.")
    return join([kinds_of, figure("How sure must it be?", table(head, rows, numbers=range(5)), note=note) if rows else None])


def missed(record: Record, view: View) -> Markup:
    """The largest objects that were not found."""
    return _sheet(record, view, "missed")


def invented(record: Record, view: View) -> Markup:
    """The surest detections that are wrong."""
    return _sheet(record, view, "invented")


def _sheet(record: Record, view: View, key: str) -> Markup:
    if not view.examples:
        return Markup("")
    cards = [(each, view.pictures.address(record.path, each.get("picture"))) for each in tables(_found(record).get(key))]
    return tag("ul", {"class": "sheet wide"}, [_card(each, picture) for each, picture in cards]) if cards else Markup("")


def _card(each: dict[str, Any], picture: str | None) -> Markup:
    label, title, kind = text(each.get("label")), text(each.get("name")), text(each.get("kind"))
    size = [show(side) for side in items(each.get("size"))]
    alt = f"{shorten(title, 60)}: {shorten(label, 40)}, {kind or 'missed'}"
    image = tag("img", {"src": picture, "alt": alt, "loading": "lazy"}) if picture else tag("div", {"class": "absent"}, "no picture")
    sure = finite(each.get("score"))
    said = [tag("span", {"class": "was"}, name(label, 26))]
    if sure is None:
        said.append(tag("span", {"class": "quiet"}, f"missed, {' × '.join(size)} pixels"))
    else:
        truth = each.get("truth")
        what = join(["is ", name(truth, 26)]) if kind == "another class" and truth else kind
        said += [tag("span", {"class": "said-to-be"}, what), tag("span", {"class": "quiet"}, f"score {show(sure, 2)}")]
    return tag("li", {"title": shorten(title, 200) or None}, image, tag("p", None, said))


def seen(record: Record, view: View) -> Markup:
    """Some pictures with the truth at the left and the answer at the right."""
    if not view.examples:
        return Markup("")
    cells = []
    for each in tables(_found(record).get("seen")):
        address = view.pictures.address(record.path, each.get("picture"), side=WIDE)
        if address is not None:
            title = text(each.get("name"))
            said = f"{plural(each.get('objects'), 'object')}, {show(each.get('found'))} found"
            image = tag("img", {"src": address, "alt": f"{shorten(title, 60)}: {said}", "loading": "lazy", "class": "pair"})
            cells.append(tag("div", {"title": shorten(title, 200) or None}, image, tag("p", {"class": "what"}, said)))
    return tag("div", {"class": "looks twins"}, cells) if cells else Markup("")

"""Segmentation: how well each class is told, and examples with truth and prediction laid over them."""

from __future__ import annotations

from typing import Any

from sonde.report.html import Markup, join, name, prose, table, tag
from sonde.report.mistakes import part_of
from sonde.report.numbers import finite, items, percent, show, tables, text
from sonde.report.numbers import table as as_table
from sonde.report.read import Record, View


def classes(record: Record, view: View) -> Markup:
    """Intersection over union of each class, the hardest first, with its colour and how many pixels it has."""
    found = as_table(record.explain.get("segmentation"))
    rows = tables(found.get("classes"))
    if not rows:
        return Markup("")
    colours = [_colour(value) for value in items(found.get("colours"))]
    swatches = {text(row.get("class")): colours[place] for place, row in enumerate(rows) if place < len(colours)}
    whole = sum(finite(row.get("pixels")) or 0.0 for row in rows)
    known = sorted(rows, key=lambda row: 2.0 if finite(row.get("iou")) is None else finite(row.get("iou")) or 0.0)
    lines = []
    for row in known:
        iou, pixels = finite(row.get("iou")), finite(row.get("pixels")) or 0.0
        label = text(row.get("class"))
        swatch = swatches.get(label)
        said = name(label, 24)
        if swatch is not None:
            said = join([tag("span", {"style": f"display:inline-block;width:.8em;height:.8em;margin-right:.5em;background:{swatch}"}), said])
        lines.append([said, "–" if iou is None else percent(iou), show(pixels), percent(pixels / whole) if whole else "–"])
    many = finite(found.get("pictures"))
    caption = prose("Of {} pictures of {}, at their own size.", show(many) if many is not None else "some", part_of(record))
    return join([tag("p", {"class": "note"}, caption), table(["class", "IoU", "pixels", "of all"], lines, caption="IoU of each class", numbers=(1, 2, 3))])


def examples(record: Record, view: View) -> Markup:
    """Pictures with the true classes and the predicted ones laid over them, the worst first."""
    found = as_table(record.explain.get("segmentation"))
    if not view.examples:
        return Markup("")
    blocks = [block for block in (_pair(record, view, each) for each in tables(found.get("examples"))) if block is not None]
    return tag("div", {"class": "looks twins"}, blocks) if blocks else Markup("")


def _pair(record: Record, view: View, each: dict[str, Any]) -> Markup | None:
    """Truth on the left, prediction on the right."""
    addresses = [(word, view.pictures.address(record.path, each.get(word))) for word in ("truth", "prediction")]
    if any(address is None for _, address in addresses):
        return None
    called, iou = text(each.get("name")), finite(each.get("iou"))
    shown = [
        tag(
            "figure",
            {"style": "flex:1;margin:0;min-width:0"},
            tag("img", {"class": "pair", "src": address, "alt": f"{word} of {called}", "loading": "lazy"}),
            tag("figcaption", None, word),
        )
        for word, address in addresses
    ]
    said = join([name(called, 40), "" if iou is None else f" · mean IoU {percent(iou)}"])
    return tag("div", None, tag("p", {"class": "note"}, said), tag("div", {"style": "display:flex;gap:.6rem"}, shown))


def _colour(value: object) -> str | None:
    """A CSS colour from three numbers of 0 … 255; None for anything else."""
    numbers = [finite(each) for each in items(value)]
    if len(numbers) != 3 or any(each is None or not 0 <= each <= 255 for each in numbers):
        return None
    return "rgb({}, {}, {})".format(*(round(each or 0) for each in numbers))

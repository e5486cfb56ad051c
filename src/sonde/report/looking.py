"""Inside an image model: where it looked, what its stages answer, its first filters, and the classes it mixes up."""

from __future__ import annotations

from typing import Any

from sonde.report.html import Markup, figure, fold, join, name, prose, shorten, tag
from sonde.report.numbers import count, finite, percent, show, tables, text
from sonde.report.numbers import table as as_table
from sonde.report.read import Record, View


def filters(record: Record, view: View) -> Markup:
    """The filters of the first layer as one picture."""
    found = as_table(record.explain.get("filters"))
    address = view.pictures.address(record.path, found.get("file"))
    if address is None:
        return Markup("")
    shown, of, height, width = (count(found.get(key)) or 0 for key in ("shown", "of", "height", "width"))
    layer = text(found.get("layer"))
    coloured = count(found.get("channels")) == 3
    colours = "Their colours are those that a filter answers to" if coloured else "Light is where a filter adds, dark where it takes away"
    note = join(
        [
            f"{colours}; middle grey is 0. Each is scaled by its own largest weight.",
            f" The first {show(shown)} of {show(of)}." if shown < of else None,
        ]
    )
    drawing = tag("img", {"class": "kernels", "src": address, "alt": f"{shown} filters of {height}×{width} of the first layer", "loading": "lazy"})
    return figure(prose("{} filters of {}×{} in `{}`", show(shown), show(height), show(width), layer), drawing, note=note, size="full")


def saliency(record: Record, view: View) -> Markup:
    """Some examples with the places that speak for the answer, and what the stages answer to them."""
    found = as_table(record.explain.get("saliency"))
    examples = tables(found.get("examples"))
    if not view.examples or not examples or text(found.get("method")) == "none":
        return Markup("")
    blocks = [block for block in (_look(record, view, each) for each in examples) if block]
    if not blocks:
        return Markup("")
    if text(found.get("method")) == "grad-cam":
        which = "" if found.get("asked_for") is True else " First the surest right answers, then the worst wrong ones."
        how = prose(
            "Grad-CAM (Selvaraju et al. 2017) on the output of `{}`: light places speak for the class named below, dark ones do not." + which,
            text(found.get("stage")),
        )
    else:
        how = prose("How much the class's score changes with each pixel (Simonyan et al. 2014): light pixels change it most.")
    below = prose(
        "Below each the strongest channels of every stage: light is a large [activation], dark is none. Later stages see less of where and more of what."
    )
    return join([tag("p", {"class": "note"}, how), tag("p", {"class": "note"}, below), tag("div", {"class": "looks"}, blocks)])


def _look(record: Record, view: View, each: dict[str, Any]) -> Markup | None:
    """One example: the picture, its maps, and on demand what the stages answer."""
    target, prediction = text(each.get("target")), text(each.get("prediction"))
    picture = view.pictures.address(record.path, each.get("picture"))
    if picture is None:
        return None
    known = each.get("target") is not None
    frames = [_frame(picture, f"{shorten(target if known else text(each.get('name')), 40)}, as the model sees it", "as the model sees it")]
    for seen in tables(each.get("maps")):
        address = view.pictures.address(record.path, seen.get("file"))
        if address is not None:
            label = text(seen.get("class"))
            frames.append(_frame(address, f"what speaks for {shorten(label, 40)}", join(["for ", name(label, 26)]), smooth=True))
    sure = finite(each.get("probability"))
    right = target == prediction
    said = (
        [
            tag("b", None, name(target, 40)),
            " – " if right else ", ",
            "rightly told" if right else tag("span", {"class": "wrong"}, "taken for ", name(prediction, 40)),
        ]
        if known
        else [name(text(each.get("name")), 60), ": ", tag("b", None, name(prediction, 40))]
    ) + [f", {percent(sure, 0)} sure" if sure is not None else None]
    head = tag("p", {"class": "what", "title": shorten(text(each.get("name")), 200) or None}, said)
    return tag("div", None, head, tag("ul", {"class": "frames"}, frames), _stages(record, view, each))


def _stages(record: Record, view: View, each: dict[str, Any]) -> Markup | None:
    """What each stage answers, on demand."""
    frames = []
    for stage in tables(each.get("activations")):
        address = view.pictures.address(record.path, stage.get("file"))
        if address is not None:
            height, width, of = (show(count(stage.get(key))) for key in ("height", "width", "of"))
            label = text(stage.get("stage"))
            frames.append(_frame(address, f"activations of {label}", prose("`{}`: {} channels of {}×{}", label, of, height, width)))
    if not frames:
        return None
    return fold("What its stages answer", tag("ul", {"class": "frames maps"}, frames))


def _frame(address: str, alt: str, said: object, *, smooth: bool = False) -> Markup:
    image = tag("img", {"src": address, "alt": alt, "loading": "lazy", "class": "smooth" if smooth else None})
    return tag("li", None, image, tag("p", None, said))


def pairs(record: Record, view: View) -> Markup:
    """The classes mixed up most often, each pair with some of its examples."""
    found = tables(record.explain.get("pairs"))
    if not view.examples:
        return Markup("")
    blocks = []
    for pair in found:
        target, prediction = text(pair.get("target")), text(pair.get("prediction"))
        cards = []
        for each in tables(pair.get("examples")):
            address = view.pictures.address(record.path, each.get("picture"))
            if address is None:
                continue
            sure = finite(each.get("probability"))
            alt = f"{shorten(text(each.get('name')), 60)}: {shorten(target, 40)} taken for {shorten(prediction, 40)}"
            image = tag("img", {"src": address, "alt": alt, "loading": "lazy"})
            said = tag("p", None, f"{percent(sure, 0)} sure") if sure is not None else None
            cards.append(tag("li", {"title": shorten(text(each.get("name")), 200) or None}, image, said))
        if cards:
            many, of = finite(pair.get("count")), finite(pair.get("of"))
            share = f"{show(many)} of {show(of)}, {percent(many / of)}" if many is not None and of else ""
            head = tag("h3", None, name(target, 40), " taken for ", name(prediction, 40), " ", tag("span", {"class": "quiet"}, share))
            blocks.append(join([head, tag("ul", {"class": "sheet small"}, cards)]))
    return join(blocks)

"""The doctor's page: what stands at a path, which task it makes, and everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sonde.report import data_section
from sonde.report.frame import Block, page, save
from sonde.report.html import Markup, join, name, prose, shorten, tag
from sonde.report.numbers import items, plural, text
from sonde.report.numbers import table as as_table
from sonde.report.page import attempt, foot
from sonde.report.read import Pictures, View, problems

CLASSED = {"boxes": "objects of each [class] there are", "masks": "pictures show each [class]"}


def write_data_page(findings: dict[str, Any], folder: Path, out: Path, *, examples: bool = True) -> Path:
    """The findings of the doctor (the values of data.json) as one HTML file that needs nothing else.

    Args:
        findings: what was found; whatever is missing is left out.
        folder: where the picture files that `findings` names stand.
        out: the file to write.
        examples: False leaves out all that tells of single examples.

    Returns `out`.

    Raises:
        RunError: the page cannot be written.
    """
    view = View(Pictures(), examples)
    failed: list[str] = []
    found = as_table(findings)
    drawings: list[tuple[str, str, str, Callable[[], Markup]]] = [
        (
            "problems",
            "Problems",
            "What is wrong or worth a look, before a [step] is trained. An error stops training; a warning does not.",
            lambda: data_section.problem_list(found, view, filtered=True),
        ),
        ("task", "The task", "What would be learned from this, why, and how to choose something else.", lambda: task(found, view)),
        ("pictures", "Pictures", "A few of each kind, as they will be seen.", lambda: data_section.pictures(found, folder, view)),
        (
            "augmented",
            "What the network sees",
            "Each row is one [example]: first as it is, then as each of the first [epochs|epoch] of training would show it.",
            lambda: data_section.augmented(found, folder, view),
        ),
        ("series", "The series", "The values in the order of time.", lambda: data_section.series(found, view)),
        (
            "classes",
            "Classes",
            f"How many {CLASSED.get(text(found.get('kind')), '[examples|example] each [class] has')}. A rare class is easily overlooked.",
            lambda: data_section.balance(found, view),
        ),
        (
            "columns",
            "Columns",
            "How each column is understood, and what is done with it. `--set data.types` corrects a wrong guess, `--drop` leaves one out.",
            lambda: data_section.columns(found, view),
        ),
        ("notes", "Notes", "", lambda: data_section.notes(found, view)),
    ]
    blocks = [Block(key, title, prose(explains), attempt(title, draw, failed)) for key, title, explains, draw in drawings]
    head = attempt("the headline", lambda: _head(found, view), failed)
    title = shorten(found.get("name") or "data", 60)
    return save(out, page(f"{title} · Sonde", "data", head, blocks, foot=foot(view, failed)))


def _head(found: dict[str, Any], view: View) -> Markup:
    many = {level: sum(1 for each in problems(found) if each["level"] == level) for level in ("error", "warning", "note")}
    counted = ", ".join(plural(number, level) for level, number in many.items() if number)
    reason = shorten(found.get("reason"), 200) if view.examples else ""
    kind = text(found.get("kind"))
    words = reason.rstrip(".") or kind or "data"
    lead = f"{words[:1].upper()}{words[1:]}."
    state = tag("p", {"class": "warning" if many["error"] or many["warning"] else "good"}, _state(many, counted))
    return join(
        [
            tag("h1", {"class": "title"}, name(found.get("name") or "data", 60)),
            tag("p", {"class": "lead"}, lead),
            state,
            data_section.overview(found, view),
        ]
    )


def _state(many: dict[str, int], counted: str) -> str:
    if many["error"]:
        return f"Not ready to train: {counted}."
    if many["warning"]:
        return f"Ready to train, with something to look at: {counted}."
    return f"Ready to train{f': {counted}' if counted else ': nothing wrong was found'}."


def task(found: dict[str, Any], view: View) -> Markup:
    """The task told from the data, the reason, and the flag that changes it."""
    told = as_table(found.get("task"))
    if not told.get("name"):
        return Markup("")
    targets = ", ".join(shorten(each, 40) for each in items(told.get("targets"))[:8])
    lines = [
        tag(
            "p", {"class": "lead"}, prose("**{}**{}", text(told["name"]).replace("-", " "), prose(" of **{}**", targets) if targets else "")
        )
    ]
    if told.get("reason") and view.examples:
        lines.append(tag("p", None, shorten(told["reason"], 400)))
    if told.get("flag"):
        lines.append(tag("p", None, "To choose otherwise: ", tag("code", None, shorten(told["flag"], 200))))
    return join(lines)

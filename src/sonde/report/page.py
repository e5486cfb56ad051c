"""A run's report: one page that holds everything, or several runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sonde.errors import RunError
from sonde.report import mistakes, repeat
from sonde.report.curves import overlay
from sonde.report.frame import Block, left_out, page, save
from sonde.report.headline import answer, heading, headline, summary
from sonde.report.html import Markup, fold, join, name, prose, table, tag
from sonde.report.measures import measure, spread, written
from sonde.report.numbers import count, finite, plural, seconds, show
from sonde.report.numbers import table as as_table
from sonde.report.read import PARTS, SPOKEN, Pictures, Record, View, read_run
from sonde.report.sections import SECTIONS, Section

# What a file of unexpected form raises in a drawing. The section is then left out, and the page says so.
UNEXPECTED = (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


def write_report(runs: Sequence[Path], out: Path | None = None, *, examples: bool = True) -> Path:
    """The page of one run, or of several side by side, as one HTML file that needs nothing else.

    Args:
        runs: run folders, at least one.
        out: where to write; default `report.html` in the run's folder, or beside the first of several runs.
        examples: False leaves out all that tells of single examples: rows, names, pictures, values and messages that
            may quote them. Names of columns and classes stay, as the model itself holds them.

    Returns the file written.

    Raises:
        RunError: a folder holds no run, or the page cannot be written.
    """
    if not runs:
        raise RunError("no run was named", remedy="`sonde runs` lists the runs there are")
    records = [read_run(Path(run)) for run in runs]
    view = View(Pictures(), examples)
    if len(records) == 1:
        return save(out or records[0].path / "report.html", report(records[0], view))
    return save(out or records[0].path.parent / "report.html", side_by_side(records, view))


def report(record: Record, view: View) -> str:
    """The page of one run."""
    failed: list[str] = []
    head = attempt("the headline", lambda: headline(record), failed)
    blocks = []
    for section in SECTIONS:
        body = attempt(section.title, lambda draw=section.draw: draw(record, view), failed)  # type: ignore[misc]
        blocks.append(Block(section.key, section.title, _explains(section, record), body))
    return page(f"{record.name} · Sonde", "run report", head, blocks, foot=foot(view, failed))


def side_by_side(records: Sequence[Record], view: View) -> str:
    """The page of several runs: a table of all, their curves together, then every section with one column a run."""
    failed: list[str] = []
    names = [record.name for record in records]
    head = join(
        [tag("h1", {"class": "title"}, f"{len(records)} runs side by side"), tag("p", {"class": "lead"}, prose("{}", ", ".join(names[:6])))]
    )
    blocks = [
        Block(
            "overview",
            "At a glance",
            prose("One row a run; each measure is that of the part named above it."),
            attempt("the overview", lambda: _glance(records), failed),
        ),
        Block(
            "differences",
            "What differs",
            prose("The values of the recipes that are not the same."),
            attempt("the differences", lambda: repeat.differences(records), failed),
        ),
        Block(
            "together",
            "Learning together",
            prose("The same [validation] measure of every run over its [epochs|epoch]."),
            attempt("the curves", lambda: overlay(records), failed),
        ),
        Block("runs", "Each run", prose("What was trained on what, and its number."), attempt("the runs", lambda: _each(records), failed)),
    ]
    for section in SECTIONS:
        cells = []
        for record in records:
            body = attempt(f"{section.title} of {record.name}", lambda draw=section.draw, record=record: draw(record, view), failed)  # type: ignore[misc]
            if body:
                cells.append(tag("div", None, tag("h3", None, name(record.name, 40)), body))
        blocks.append(
            Block(section.key, section.title, _explains(section, records[0]), tag("div", {"class": "runs"}, cells) if cells else Markup(""))
        )
    return page(f"{len(records)} runs · Sonde", "runs side by side", head, blocks, foot=foot(view, failed))


def attempt(what: str, draw: Callable[[], Markup], failed: list[str]) -> Markup:
    """What `draw` gives; where a file holds something unexpected an empty text, and `what` is noted."""
    try:
        return draw()
    except UNEXPECTED:
        failed.append(what)
        return Markup("")


def _explains(section: Section, record: Record) -> Markup:
    if "{part}" in section.explains:
        return prose(section.explains.replace("{part}", "{}"), mistakes.part_of(record))
    return prose(section.explains)


def _each(records: Sequence[Record]) -> Markup:
    cells = [tag("div", None, heading(record, 3), answer(record), fold("More", summary(record))) for record in records]
    return tag("div", {"class": "runs"}, cells)


def _glance(records: Sequence[Record]) -> Markup:
    """One row a run: model, measures on each part, size and time."""
    keys = list(dict.fromkeys(record.monitor for record in records if record.monitor))[:3]
    parts = [
        part for part in PARTS if any(finite(as_table(record.metrics.get(part)).get(key)) is not None for record in records for key in keys)
    ]
    folded = any(record.metrics.get("mean") for record in records)
    head: list[object] = ["run", "model"]
    for key in keys:
        head += [f"{measure(key).word}, {SPOKEN[part]}" for part in parts] + ([f"{measure(key).word}, folds"] if folded else [])
    head += ["parameters", "epochs", "time"]
    rows = []
    for record in records:
        row: list[object] = [
            name(record.name, 32),
            name(as_table(record.model.get("model")).get("name") or as_table(record.recipe.get("model")).get("name") or "–", 24),
        ]
        for key in keys:
            row += [written(key, as_table(record.metrics.get(part)).get(key)) for part in parts]
            if folded:
                row.append(spread(key, as_table(record.metrics.get("mean")).get(key), as_table(record.metrics.get("sd")).get(key)))
        row += [
            show(count(record.model.get("parameters"))),
            show(finite(record.metrics.get("epochs"))),
            seconds(as_table(record.metrics.get("seconds")).get("total")),
        ]
        rows.append(row)
    return table(head, rows, numbers=range(2, len(head)), wide=True)


def foot(view: View, failed: list[str]) -> Markup:
    """What was left out, and by whom the page was made."""
    said = [left_out(failed)]
    if not view.examples:
        said.append(
            tag(
                "p",
                None,
                "Rows, names, pictures, values and messages that tell of single examples were left out on request; names of columns and classes stay.",
            )
        )
    if view.pictures.left_out:
        said.append(tag("p", None, f"{plural(view.pictures.left_out, 'picture')} left out to keep the page small."))
    return join([*said, tag("p", None, "Made by Sonde from the files of the run folder.")])

"""The doctor: what the data are, and everything that is wrong with them, before a step is trained.

Each kind of problem stands in a file of `checks/`. `train` calls `check` with `deep=False`, which costs a fraction of
reading the data; `sonde data` with `deep=True`, which opens every picture and compares every row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sonde import recipe
from sonde.data.checks import columns, duplicates, leaks, parts, pictures, scene_sheet, scenes, series, tables, target, text
from sonde.data.checks.look import Looked, look
from sonde.data.checks.subject import Rows, Subject
from sonde.data.contents import PICTURED, SCENES, Content, Part
from sonde.data.infer import Inferred
from sonde.data.split import RUNNING, Selection
from sonde.errors import DataError, Problem

_ORDER = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Findings:
    """What was found. `problems` stand in order of gravity; `figures` is data.json without them."""

    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that stop training before its first step."""
        return tuple(problem for problem in self.problems if problem.level == "error")

    def stop(self) -> None:
        """Raise DataError with all errors, if there are any."""
        if self.errors:
            raise DataError(self.errors)

    def to_json(self, thumbnails: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
        """The content of data.json; `thumbnails` is what `contact_sheet` (checks/sheet.py) returned."""
        table = dict(self.figures)
        if thumbnails:
            table["pictures"] = {**table.get("pictures", {}), "thumbnails": [dict(entry) for entry in thumbnails]}
        table["problems"] = [
            {"level": problem.level, "where": problem.where, "found": problem.found, "remedy": problem.remedy} for problem in self.problems
        ]
        return table | {"notes": list(self.notes)}


def check(
    content: Content, data: recipe.Data, *, inferred: Inferred, parts: dict[Part, Selection] | None = None, deep: bool = True
) -> Findings:
    """Look at the data from all sides.

    `parts` are the rows that train, choose and measure (default: the parts that the data themselves name). With
    `deep` every picture is opened and every row compared with every other; without, pictures are not decoded and of
    tables above a million rows a sample is looked up. Raises nothing for what it finds: `Findings.stop` does.
    """
    subject = _subject(content, data, inferred, parts, deep=deep)
    stores = {part: examples.pictures for part, examples in content.parts.items() if examples.pictures is not None}
    looked = look(stores, deep=deep)
    problems = [*content.problems, *_problems(subject, looked)]
    once = list(dict.fromkeys(problems))
    ordered = tuple(sorted(once, key=lambda problem: _ORDER[problem.level]))
    return Findings(ordered, _notes(subject, looked), _figures(subject, inferred, looked))


def _subject(content: Content, data: recipe.Data, inferred: Inferred, parts: dict[Part, Selection] | None, *, deep: bool) -> Subject:
    if parts:
        rows = {part: Rows(part, selection.examples, _index(selection)) for part, selection in parts.items()}
    else:
        rows = {part: Rows(part, examples) for part, examples in content.parts.items()}
    scenes = content.kind in SCENES  # whose columns are lists of boxes, or names of files
    described = () if scenes else columns.describe(content.examples.frame, data, inferred.targets, aside=_aside(content))
    if content.kind in text.KINDS:
        described = text.as_read(described, content.kind, inferred.targets)
    return Subject(content, data, inferred.task, inferred.targets, rows, described, deep)


def _aside(content: Content) -> dict[str, str]:
    """Columns that are not learned from because of what the data are."""
    names = content.examples.frame.columns
    if content.kind == "images":
        return {name: "names the picture" if name == "image" else "pictures are learned from, not this column" for name in names}
    if content.kind == "series":
        return {name: "the time of each row" if name == content.time else "a series is learned from its own past alone" for name in names}
    return {}


def _index(selection: Selection) -> Any:
    """The rows of a selection, None where it is all of them in order."""
    whole = len(selection.index) == len(selection.examples)
    return None if whole and (selection.index[:-1] < selection.index[1:]).all() else selection.index


def _problems(subject: Subject, looked: Looked) -> list[Problem]:
    kind = subject.content.kind
    if kind in SCENES:
        return tables.empty(subject) + parts.check(subject) + scenes.check(subject, looked) + pictures.check(subject, looked)
    found = tables.check(subject) + target.check(subject) + parts.check(subject)
    if kind == "table":
        found += leaks.check(subject) + duplicates.check(subject)
    if kind in text.KINDS:
        found += text.check(subject)
        if subject.task not in RUNNING:  # the lines of a running text come again as they like
            found += duplicates.check(subject)
    if kind == "series":
        found += series.check(subject)
    if kind == "images":
        found += pictures.check(subject, looked)
    return found


def _notes(subject: Subject, looked: Looked) -> tuple[str, ...]:
    rows = len(subject.content.examples)
    notes = list(subject.content.notes)
    if rows > columns.SAMPLE and subject.content.kind not in PICTURED:
        notes.append(
            f"types, histograms and frequent values are taken from {columns.SAMPLE:,} of {rows:,} rows, distinct values are estimated"
        )
    if not looked.compared:
        notes.append("copies among the pictures were not looked for, as there are many; `sonde data` does so")
    return tuple(notes)


def _figures(subject: Subject, inferred: Inferred, looked: Looked) -> dict[str, Any]:
    content = subject.content
    figures: dict[str, Any] = {
        "kind": content.kind,
        "origin": content.origin,
        "name": content.name,
        "reason": content.reason,
        "fingerprint": content.fingerprint,
        "task": dataclasses.asdict(inferred) | {"name": inferred.task, "targets": list(inferred.targets)},
        "parts": {part: len(rows) for part, rows in subject.parts.items()},
        "columns": [column.to_json() for column in subject.columns],
        "classes": scenes.classes(subject) if content.kind in SCENES else target.classes(subject),
    }
    figures["task"].pop("task")
    if content.kind in PICTURED:
        figures["pictures"] = pictures.figures(subject, looked)
    if content.kind in SCENES:
        figures["legend"] = scene_sheet.legend(content.examples.classes)
        figures["objects"] = scenes.figures(subject)
    if content.kind == "series":
        figures["series"] = series.figures(subject)
    return figures

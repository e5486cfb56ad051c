"""What can be wrong with the target: its values, its classes, and the labels of the parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from sonde.data.checks.columns import numbers_in, text
from sonde.data.checks.subject import Level, Rows, Subject, count, quoted, sample_of, verb
from sonde.data.checks.tables import spelled_alike
from sonde.data.prepare.target import labels
from sonde.errors import Problem

FEW = 1000  # rows that tell whether a target is constant, where they differ
IMBALANCE = 20.0  # examples of the largest class for one of the smallest


def check(subject: Subject) -> list[Problem]:
    """All problems of the target columns."""
    problems: list[Problem] = []
    for name in subject.targets:
        if name not in subject.train.examples.frame.columns:
            continue
        if subject.content.kind != "series" or subject.train.column(name).null_count() == len(subject.train):
            problems += missing(subject, name)  # of a series, windows with a missing value are left out
        if subject.classifies:
            problems += constant(subject, name) + rare_classes(subject, name) + imbalance(subject, name)
            problems += similar_labels(subject, name) + unseen_labels(subject, name) + absent_classes(subject, name)
        elif subject.task == "multi-label-classification":
            problems += not_zero_one(subject, name) + constant(subject, name)
        elif subject.task not in ("translation", "tagging", "question-answering"):
            problems += not_numbers(subject, name) + constant(subject, name)
    return problems


def classes(subject: Subject) -> list[dict[str, Any]]:
    """Examples of each class in each part, for data.json; labels of a multi-label task count where they are 1."""
    if subject.classifies and subject.targets:
        return _class_counts(subject, subject.targets[0])
    if subject.task == "tagging":
        return _tag_counts(subject, subject.targets[0])
    if subject.task != "multi-label-classification":
        return []
    counted = []
    for name in subject.targets:
        held = [rows for rows in subject.parts.values() if name in rows.examples.frame.columns]
        positive = {rows.part: int((rows.column(name).cast(pl.Float64, strict=False) == 1).sum()) for rows in held}
        counted.append({"name": name, "counts": positive})
    return counted


def _tag_counts(subject: Subject, target: str) -> list[dict[str, Any]]:
    """Spans of each type in each part, where tags begin spans (B-, S-); else tokens of each tag."""
    parts: dict[str, dict[str, int]] = {}
    for part, rows in subject.parts.items():
        tags = rows.column(target).explode().drop_nulls()
        begins = tags.filter(tags.str.contains("^[BSU]-")).str.slice(2)
        parts[part] = dict((begins if len(begins) else tags).alias("tag").value_counts(name="count").iter_rows())
    return [{"name": name, "counts": {part: counts.get(name, 0) for part, counts in parts.items()}} for name in sorted(set().union(*parts.values()))]


def _class_counts(subject: Subject, target: str) -> list[dict[str, Any]]:
    parts: dict[str, dict[str, int]] = {}
    for part, rows in subject.parts.items():
        if target in rows.examples.frame.columns:
            table = labels(rows.column(target)).drop_nulls().alias("value").value_counts(name="count")
            parts[part] = dict(table.iter_rows())
    found = sorted({label for counts in parts.values() for label in counts}, key=_natural)
    return [{"name": label, "counts": {part: counts.get(label, 0) for part, counts in parts.items()}} for label in found]


def _natural(label: str) -> tuple[int, float, str]:
    """Numbers by value before words by letter."""
    try:
        value = float(label)
    except ValueError:
        return (1, 0.0, label)
    return (0, value, label) if np.isfinite(value) else (1, 0.0, label)


def missing(subject: Subject, target: str) -> list[Problem]:
    """A target that no example has, or that some lack."""
    found = []
    for rows in subject.parts.values():
        if target not in rows.examples.frame.columns or not len(rows):
            continue
        lacking = _lacking(rows, target)
        if not len(lacking):
            continue
        where, all_of_them = subject.where(rows, column=target), len(lacking) == len(rows)
        if all_of_them and rows.part in ("validation", "test"):
            said = f"no {rows.part} example has a target: nothing can be measured there"
            found.append(Problem("warning", where, said, "give the targets, or leave this part out"))
        elif all_of_them:
            said = f"all {len(rows):,} values of the target are missing"
            found.append(Problem("error", where, said, "choose another column with --target, or fill this one in"))
        else:
            said = f"the target is missing in {count(len(lacking), 'example')} of {len(rows):,}"
            remedy = "fill these targets in or delete the rows; --on-error skip leaves them out"
            level: Level = "warning" if subject.data.on_error == "skip" else "error"
            found.append(Problem(level, f"{where}, {subject.places(rows, lacking)}", said, remedy))
    return found


def _lacking(rows: Rows, target: str) -> np.ndarray:
    """The rows without a target. The whole column is asked first, as choosing rows costs more than looking."""
    whole = rows.examples.frame[target]
    nan = whole.dtype.is_float() and not np.isfinite(float(whole.cast(pl.Float64).sum()))
    if not whole.null_count() and not nan:
        return np.empty(0, dtype=np.int64)
    values = rows.column(target)
    absent = values.is_null() | values.is_nan().fill_null(False) if nan else values.is_null()
    return absent.arg_true().to_numpy()


def constant(subject: Subject, target: str) -> list[Problem]:
    """One and the same target everywhere: there is nothing to learn."""
    for values in (subject.train.frame([target], sample_of(subject.train, FEW))[target], subject.train.column(target)):
        present = values.drop_nulls()
        if present.dtype.is_float():
            present = present.drop_nans()
        if present.n_unique() > 1 or values.len() == 1 or (present.len() < 2 and values.len() == len(subject.train)):
            return []
    if subject.classifies:
        said = f"all {present.len():,} examples are of the one class {text(labels(present)[0])!r}"
        return [
            Problem(
                "error",
                subject.where(subject.train, column=target),
                f"{said}: there is nothing to tell apart",
                "add examples of another class",
            )
        ]
    said = f"the target is {text(present[0])} in all {present.len():,} examples: there is nothing to learn"
    return [Problem("error", subject.where(subject.train, column=target), said, "choose another column with --target")]


def rare_classes(subject: Subject, target: str) -> list[Problem]:
    """Classes with one example, or with fewer than there are folds."""
    counted = _class_counts(subject, target)
    given = "all" not in subject.content.parts
    total = {entry["name"]: entry["counts"].get("train", 0) if given else sum(entry["counts"].values()) for entry in counted}
    if len(total) < 2:
        return []
    single = [name for name, examples in total.items() if examples == 1 and not subject.told("class", repr(name))]
    unit = "picture" if subject.content.kind == "images" else "example"
    found = []
    if single:
        level: Level = "warning" if given or not _must_divide(subject) else "error"
        said = f"{verb(len(single), 'class', 'classes')} {quoted(single)} {verb(len(single), 'has', 'have')} one {unit}"
        remedy = f"add {unit}s, merge the class with another, or leave it out"
        if subject.content.kind == "table":
            remedy += "; if the target is a quantity, say --task regression"
        said += ": it can be learned from or measured on, not both"
        found.append(Problem(level, f"{subject.where(column=target)}{_first(subject, target, single[0])}", said, remedy))
    folds = subject.data.folds
    few = [name for name, examples in total.items() if 1 < examples < folds]
    if few:
        said = f"{verb(len(few), 'class', 'classes')} {quoted(few)} {verb(len(few), 'has', 'have')} fewer {unit}s than there are folds ({folds})"
        found.append(
            Problem(
                "warning", subject.where(column=target), said, f"use --folds {max(2, min(total[name] for name in few))}, or add {unit}s"
            )
        )
    return found


def _must_divide(subject: Subject) -> bool:
    """Whether one set of examples has to serve for learning and for measuring."""
    return not (subject.data.validation == 0 and subject.data.test == 0)


def _first(subject: Subject, target: str, label: str) -> str:
    """Where a label stands first, for a message."""
    for rows in subject.sources:
        if target in rows.examples.frame.columns:
            found = (labels(rows.column(target)) == label).arg_true()
            if found.len():
                return f", {subject.place(rows, int(found[0]))}"
    return ""


def imbalance(subject: Subject, target: str) -> list[Problem]:
    """Classes of very different size."""
    train = labels(subject.train.column(target)).drop_nulls().alias("value").value_counts(sort=True, name="count")
    if train.height < 2:
        return []
    large, small = train.row(0), train.row(train.height - 1)
    if small[1] < 2 or large[1] < IMBALANCE * small[1]:
        return []
    found = f"class {large[0]!r} has {large[1]:,} examples, class {small[0]!r} {small[1]:,}: {large[1] / small[1]:.0f} to 1"
    remedy = "look at balanced-accuracy and at each class, not at accuracy alone; add examples of the small class where you can"
    return [Problem("warning", subject.where(subject.train, column=target), found, remedy)]


def similar_labels(subject: Subject, target: str) -> list[Problem]:
    """Labels that differ only in case, blanks or a full stop, over all parts."""
    held = [labels(rows.column(target)) for rows in subject.parts.values() if target in rows.examples.frame.columns]
    groups = spelled_alike(pl.concat(held)) if held else []
    if not groups:
        return []
    said = "; ".join(quoted(sorted(group)) for group in groups[:3]) + (f" and {len(groups) - 3} more" if len(groups) > 3 else "")
    remedy = "rename the folders so that each class has one" if subject.content.kind == "images" else "write each class in one way"
    return [
        Problem("warning", subject.where(column=target), f"classes that differ only in case or blanks count as different: {said}", remedy)
    ]


def unseen_labels(subject: Subject, target: str) -> list[Problem]:
    """Labels of a held-out part that the training part does not have."""
    known = labels(subject.train.column(target)).drop_nulls().unique()
    found = []
    for rows in subject.held_out.values():
        if target not in rows.examples.frame.columns:
            continue
        values = labels(rows.column(target))
        told = [label for label in values.unique().drop_nulls() if subject.told("class", repr(label))]
        new = (values.is_not_null() & ~values.is_in(known.to_list() + told)).arg_true().to_numpy()
        if not len(new):
            continue
        unseen = values.gather(new).unique(maintain_order=True).to_list()
        given = rows.part in subject.content.parts
        said = f"{verb(len(unseen), 'class', 'classes')} {quoted(unseen)} ({count(len(new), 'example')}) not among the training classes"
        classes_known: list[str] = sorted(known.to_list(), key=_natural)
        said += f" {quoted(classes_known, limit=10)}"
        near = [f"{label!r} is probably {match!r}" for label in unseen[:3] if (match := _alike(label, known.to_list()))]
        remedy = ("; ".join(near) + ": write it in one way") if near else _remedy_unseen(subject, given=given)
        level: Level = "error" if given else "warning"
        found.append(Problem(level, f"{subject.where(rows, column=target)}, {subject.places(rows, new)}", said, remedy))
    return found


def _remedy_unseen(subject: Subject, *, given: bool) -> str:
    if subject.content.kind == "images" and given:
        return "give the parts the same class folders"
    return "add training examples of it, or leave these examples out"


def _alike(label: str, known: list[str]) -> str | None:
    """A known label that differs only in case and in blanks or stops at its ends, or else in punctuation."""
    for form in (lambda word: word.casefold().strip(" \t.,;:'\""), lambda word: "".join(filter(str.isalnum, word.casefold()))):
        same = [other for other in known if form(label) and form(other) == form(label)]
        if len(same) == 1:
            return same[0]
    return None


def absent_classes(subject: Subject, target: str) -> list[Problem]:
    """Training classes that a given part does not have, so that nothing is measured about them."""
    known = set(labels(subject.train.column(target)).drop_nulls().unique())
    found = []
    for rows in subject.held_out.values():
        if rows.part not in subject.content.parts or target not in rows.examples.frame.columns or not len(rows):
            continue
        there = set(labels(rows.column(target)).drop_nulls().unique())
        gone = sorted(known - there, key=_natural)
        if there and gone and not subject.told(f"the {rows.part} part has no picture of"):
            said = (
                f"{verb(len(gone), 'class', 'classes')} {quoted(gone)} of the training part {verb(len(gone), 'does', 'do')} not occur here"
            )
            said += f": nothing is measured about {verb(len(gone), 'it', 'them')}"
            found.append(Problem("warning", subject.where(rows, column=target), said, "add such examples to this part"))
    return found


def not_numbers(subject: Subject, target: str) -> list[Problem]:
    """A quantity to predict that is text; stray words among numbers are named by the check of columns."""
    column = next(column for column in subject.columns if column.name == target)
    if column.type == "number" or column.values.dtype.is_numeric() or column.values.dtype == pl.Boolean:
        return []
    values = subject.train.column(target).cast(pl.String, strict=False)
    wrong = (numbers_in(values).is_null() & values.is_not_null()).arg_true().to_numpy()
    if not len(wrong):
        return []
    said = (
        f"{subject.task} needs numbers, but the target holds {quoted(values.gather(wrong).unique(maintain_order=True).head(6).to_list())}"
    )
    where = f"{subject.where(subject.train, column=target)}, {subject.places(subject.train, wrong)}"
    return [Problem("error", where, said, "choose a column of numbers with --target, or say --task classification")]


def not_zero_one(subject: Subject, target: str) -> list[Problem]:
    """Values other than 0 and 1 in a column of yes and no."""
    found = []
    for rows in subject.parts.values():
        if target not in rows.examples.frame.columns:
            continue
        values = rows.column(target)
        numbers = values.cast(pl.Float64, strict=False)
        wrong = (values.is_not_null() & ~numbers.is_in([0.0, 1.0]).fill_null(False)).arg_true().to_numpy()
        if len(wrong):
            kinds = [text(value) for value in values.gather(wrong).unique(maintain_order=True).head(6)]
            where = f"{subject.where(rows, column=target)}, {subject.places(rows, wrong)}"
            remedy = "several targets at once are labels, each 0 (no) or 1 (yes); give one --target for classes or quantities"
            found.append(Problem("error", where, f"{count(len(wrong), 'value')} other than 0 and 1: {quoted(kinds)}", remedy))
    return found

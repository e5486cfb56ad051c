"""What is to be learnt from the data: the task and its target columns, with the reason and the flag that changes it.

Class folders and other labelled pictures → classification; a series → forecasting; a table: a numeric target with
fractions or more than 20 distinct values → regression, else classification; several 0/1 columns → several labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import polars as pl

from sonde import recipe
from sonde.data.contents import SCENES, Content
from sonde.errors import DataError, Problem, RecipeError, did_you_mean

FEW = 20  # distinct values: a number with at most so many, all whole, is taken for a class
TASKS = (
    "classification", "multi-label-classification", "regression", "forecasting", "language-modelling", "masked-language-modelling", "word-vectors",
    "translation", "tagging", "question-answering", "detection", "segmentation",
)  # fmt: skip


@dataclass(frozen=True)
class Inferred:
    """The task, the columns to predict, why, and the flag that says otherwise."""

    task: str
    targets: tuple[str, ...]
    reason: str
    flag: str


def infer(content: Content, data: recipe.Data, task: str | None = None) -> Inferred:
    """The task of `content`. `task` is the name that the user gave, or None.

    Raises DataError where the target is not known, not there, all missing, constant or does not fit the task, and
    RecipeError for a task that does not exist.
    """
    if task is not None and task not in TASKS:
        raise RecipeError(f"there is no task {task!r}", where="--task", remedy=did_you_mean(task, TASKS))
    if task == "forecasting" and content.kind != "series":
        found = f"forecasting needs a series of numbers, and this is of kind {content.kind}"
        _refuse(found, "give a column of numbers in time order, or another --task", where=content.origin)
    if task == "language-modelling" or (content.kind == "text" and not data.target and content.target is None and task is None):
        return _running_text(content, given=task is not None)
    if task in ("word-vectors", "masked-language-modelling"):
        return _words(content, task)
    if content.kind == "pairs" or task == "translation":
        return _pairs(content, given=task)
    if content.kind == "tagged" or task == "tagging":
        return _tagged(content, given=task)
    if content.kind == "questions" or task == "question-answering":
        return _questions(content, given=task)
    if content.kind in SCENES or task in ("detection", "segmentation"):
        return _scenes(content, given=task)
    targets = _targets(content, data)
    frame = content.examples.frame
    for name in targets:
        _check_values(content, frame[name])
    if content.kind == "series" and task in (None, "forecasting"):
        return Inferred("forecasting", targets, f"{content.reason}: the next value of {targets[0]!r} is predicted from the ones before", "--task")
    columns = [frame[name] for name in targets]
    found, reason = _several(content, columns) if len(columns) > 1 else _one(columns[0], pictures=content.kind == "images")
    if task is None or task == found:
        return Inferred(found, targets, reason, _way_out(found))
    _check_task(content, task, columns)
    return Inferred(task, targets, "as --task says", "--task")


def _running_text(content: Content, *, given: bool) -> Inferred:
    if content.kind != "text":
        found = f"a language model learns from text, and this is of kind {content.kind}"
        _refuse(found, "give a text file, or name a column of text with --text", where=content.origin)
    reason = "as --task says" if given else f"{content.reason}: the next token is foretold from those before"
    return Inferred("language-modelling", (), reason, "--target and --task")


def _words(content: Content, task: str) -> Inferred:
    if content.kind != "text":
        what = "word vectors are" if task == "word-vectors" else "masked language modelling is"
        found = f"{what} learned from running text, and this is of kind {content.kind}"
        _refuse(found, "give a text file, or name a column of text with --text", where=content.origin)
    return Inferred(task, (), "as --task says", "--task")


def _pairs(content: Content, *, given: str | None) -> Inferred:
    if content.kind != "pairs":
        found = f"translation learns from pairs of sentences, and this is of kind {content.kind}"
        _refuse(found, "give two columns of text with a tab between them, or two files such as train.en and train.de", where=content.origin)
    if given not in (None, "translation"):
        _refuse(f"{given} is no task for pairs of sentences", "leave out --task: the second of each pair is written", where="--task")
    reason = "as --task says" if given else f"{content.reason}: the second of each is written"
    return Inferred("translation", ("target",), reason, "--text and --target")


def _tagged(content: Content, *, given: str | None) -> Inferred:
    if content.kind != "tagged":
        found = f"tagging learns from tokens with tags, and this is of kind {content.kind}"
        _refuse(found, "write a token, a tab and its tag a line, and a blank line after each sentence", where=content.origin)
    if given not in (None, "tagging"):
        _refuse(f"{given} is no task for tagged tokens", "leave out --task: the tag of each token is told", where="--task")
    return Inferred("tagging", ("tags",), "as --task says" if given else f"{content.reason}: the tag of each is told", "--task")


def _questions(content: Content, *, given: str | None) -> Inferred:
    if content.kind != "questions":
        found = f"answers are found in paragraphs, and this is of kind {content.kind}"
        _refuse(found, "give questions in SQuAD's JSON: data, paragraphs, context, qas", where=content.origin)
    if given not in (None, "question-answering"):
        _refuse(f"{given} is no task for questions about paragraphs", "leave out --task: answers are found", where="--task")
    reason = "as --task says" if given else f"{content.reason}: the answer to each is found in its paragraph"
    return Inferred("question-answering", ("answers",), reason, "--task")


def _scenes(content: Content, *, given: str | None) -> Inferred:
    found = {"boxes": "detection", "masks": "segmentation"}.get(content.kind)
    if found is None:
        what = "pictures with boxes: COCO JSON, Pascal VOC XML, YOLO labels or a table of boxes"
        what = what if given == "detection" else "pictures with a mask each: images/ and masks/, SegmentationClass, or a list of pairs"
        _refuse(f"{given} learns from {what.partition(':')[0]}, and this is of kind {content.kind}", f"give {what}", where=content.origin)
    if given not in (None, found):
        _refuse(f"{given} is no task for {content.reason}", f"leave out --task: it is {found}", where="--task")
    what = "the pictures have boxes with classes" if found == "detection" else "each picture has a mask of classes"
    reason = "as --task says" if given else what
    return Inferred(found, ("boxes",) if found == "detection" else ("mask",), reason, "--task")


def is_number(values: pl.Series) -> bool:
    """Whether a column holds numbers (true and false are not)."""
    return values.dtype.is_numeric() and not values.dtype.is_nested()


def is_whole(values: pl.Series) -> bool:
    """Whether all numbers present are whole."""
    if values.dtype.is_integer():
        return True
    present = _present(values)
    return bool((present == present.floor()).all()) if present.dtype.is_float() else bool((present % 1 == 0).all())


def is_flag(values: pl.Series) -> bool:
    """Whether a column holds nothing but 0 and 1, or true and false."""
    if values.dtype == pl.Boolean:
        return True
    return is_number(values) and set(_present(values).unique().to_list()) <= {0, 1}


def _targets(content: Content, data: recipe.Data) -> tuple[str, ...]:
    columns = content.examples.frame.columns
    for name in data.target:
        if name not in columns:
            _refuse(f"there is no column {name!r} to predict", f"{did_you_mean(name, columns)} (--target)", where=content.origin)
    if len(set(data.target)) < len(data.target):
        _refuse(f"--target names a column twice: {', '.join(data.target)}", "name each column once", where="--target")
    if data.target:
        return data.target
    if content.target is not None and content.target in columns:
        return (content.target,)
    if content.kind == "images" and "label" in columns:
        return ("label",)
    if content.kind == "series":
        numbers = [name for name in columns if name != content.time and is_number(content.examples.frame[name])]
        if len(numbers) == 1:
            return (numbers[0],)
    listed = ", ".join(columns[:40]) + (f" … and {len(columns) - 40} more" if len(columns) > 40 else "")
    remedy = f"name one, such as --target {columns[-1]!r}" if columns else "give a table with columns"
    raise DataError(Problem("error", content.origin, f"which column is to be predicted? There are: {listed}", remedy))


def _check_values(content: Content, values: pl.Series) -> None:
    present = _present(values)
    if present.len() == 0:
        found = f"the target has no values: all {values.len():,} rows are missing"
        _refuse(found, "fill it in, or name another --target", where=_column(content, values))
    if values.dtype.is_nested():
        found = "the target holds lists or structures, not one value a row"
        _refuse(found, "name a column of numbers or classes with --target", where=_column(content, values))
    if content.kind != "series" and bool((present == present[0]).all()):
        found = f"the target is always {present[0]!r}, so there is nothing to learn"
        _refuse(found, "name another --target, or add examples of other classes", where=_column(content, values))


def _one(values: pl.Series, *, pictures: bool) -> tuple[str, str]:
    present, name = _present(values), values.name
    if is_number(values) and not is_whole(values):
        return "regression", f"{name!r} is a number with fractions"
    distinct = present.n_unique()
    if not is_number(values) or pictures:
        return "classification", f"{name!r} has {distinct} classes"
    if distinct > FEW:
        return "regression", f"{name!r} is a number with {distinct} distinct values, more than {FEW}"
    return "classification", f"{name!r} is a whole number with {distinct} distinct values, at most {FEW}"


def _several(content: Content, columns: list[pl.Series]) -> tuple[str, str]:
    if all(is_flag(values) for values in columns):
        return "multi-label-classification", f"{len(columns)} targets, each 0 or 1"
    for values in columns:
        if not is_number(values):
            found = f"{len(columns)} targets were named, and this one is neither a number nor 0/1"
            _refuse(found, "name one --target, or several columns of numbers or of 0 and 1", where=_column(content, values))
    return "regression", f"{len(columns)} targets, all numbers"


def _check_task(content: Content, task: str, columns: list[pl.Series]) -> None:
    """That a task which the user chose fits the target."""
    if task == "classification":
        if len(columns) > 1:
            _refuse(f"classification predicts one column, and {len(columns)} were named", "name one --target", where="--target")
        present = _present(columns[0])
        if is_number(columns[0]) and present.n_unique() > max(FEW, present.len() // 2):
            found = f"the target is a number with {present.n_unique():,} distinct values in {present.len():,} rows, too many to be classes"
            _refuse(found, "leave out --task, or use --task regression", where=_column(content, columns[0]))
    for values in columns:
        if task == "multi-label-classification" and not is_flag(values):
            _refuse("several labels are columns of 0 and 1, and this one holds other values", "leave out --task", where=_column(content, values))
        if task == "regression" and not is_number(values) and values.dtype != pl.Boolean:
            found = f"regression predicts numbers, and the target holds {_present(values)[0]!r}"
            _refuse(found, "use --task classification, or name another --target", where=_column(content, values))


def _way_out(task: str) -> str:
    other = {"regression": "classification", "classification": "regression", "multi-label-classification": "regression"}
    return f"--task {other.get(task, 'regression')}"


def _present(values: pl.Series) -> pl.Series:
    present = values.drop_nulls()
    return present.drop_nans() if present.dtype.is_float() else present


def _column(content: Content, values: pl.Series) -> str:
    return f"{content.origin}, column {values.name!r}"


def _refuse(found: str, remedy: str, *, where: str) -> NoReturn:
    raise DataError(Problem("error", where, found, remedy))

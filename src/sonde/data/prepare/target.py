"""What is predicted, fitted on the training part: the classes, or how numbers are transformed for the network.

`values` is plain data, kept in model.json and read by tasks.build:

    {"kind": "classes", "columns": ["label"], "classes": ["cat", "dog"], "counts": [12, 30]}
    {"kind": "labels",  "columns": ["rain", "snow"], "counts": [5, 2]}
    {"kind": "numbers", "columns": ["price"], "transform": "log", "mean": [12.0], "std": [0.4], "minimum": [34900.0]}

    {"kind": "tags",    "columns": ["tags"], "classes": ["O", "B-person"], "counts": [9, 1], "length": 40, "spans": true}
    {"kind": "span",    "columns": ["answers"], "separator": 102, "none": false}: an answer in a paragraph
    {"kind": "tokens",  "columns": [], "tokenizer": {…}}: the next token of running text
    {"kind": "tokens",  "columns": ["target"], "tokenizer": {…}, "form": "raw", "length": 20}: a text to write

Detection and segmentation have {"kind": "boxes", …} and {"kind": "mask", …}, see scene_targets.py.
The transforms are those of tasks/transforms.py: none; standardise, (y − mean)/std; log, (ln(1 + y) − mean)/std.
A forecast also has "horizon", the number of steps ahead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from sonde import recipe
from sonde.data.contents import Examples
from sonde.data.prepare.bert import BertPreparation
from sonde.data.prepare.pairs import fit_written, written
from sonde.data.prepare.scenes import ScenePreparation
from sonde.data.prepare.tags import encode_tags, fit_tags
from sonde.data.prepare.text import TextPreparation
from sonde.data.prepare.tokenizers import from_json
from sonde.data.split import Selection
from sonde.errors import DataError, Problem, RecipeError, did_you_mean

SCENE_KINDS = ("boxes", "mask")
TRANSFORMS = ("none", "standardise", "log")
SKEW = 1.5  # third standardised moment of positive targets above which their logarithm is predicted


@dataclass(frozen=True)
class Target:
    """The fitted target. `why` says how its transform was chosen."""

    values: dict[str, Any]
    why: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are predicted."""
        return tuple(self.values["columns"])

    @property
    def outputs(self) -> int:
        """Numbers that a model gives for an example: classes, labels, columns or steps ahead."""
        if self.values["kind"] in ("classes", "tags", *SCENE_KINDS):
            return len(self.values["classes"])
        if self.values["kind"] == "tokens":
            return len(from_json(self.values["tokenizer"]).pieces)
        if self.values["kind"] == "span":
            return 2
        return int(self.values.get("horizon", len(self.values["columns"])))

    @property
    def encoding(self) -> list[Any]:
        """What the encoded targets depend on; the other values belong to the task."""
        keys = ("kind", "columns", "classes", "horizon", "tokenizer", "form", "length", "slots", "masks", "longer", "canvas")
        return [self.values[key] for key in keys if key in self.values]

    def encode(self, frame: pl.DataFrame, *, lines: np.ndarray | None = None, origin: str = "") -> np.ndarray:
        """Targets of all rows in their own units.

        int64 (row,) class numbers, −1 where missing; float32 (row, output) values, NaN where missing; int64 (row, length) tokens and END of
        a text that is to be written, or tags, NO_TARGET after them. `lines` are the
        rows' lines in the file (default: row 0 on line 2). Raises DataError for a label unseen in training, a value that
        is no finite number, or a missing column, naming the lines.
        """
        array, problems = self.inspect(frame, lines=lines, origin=origin)
        if problems:
            raise DataError(problems)
        return array

    def inspect(self, frame: pl.DataFrame, *, lines: np.ndarray | None = None, origin: str = "") -> tuple[np.ndarray, list[Problem]]:
        """As `encode`, with what is wrong beside; the targets of such rows count as missing."""
        for name in self.columns:
            if name not in frame.columns:
                where = origin or "the data"
                raise DataError(Problem("error", where, f"there is no column {name!r}", f"the model predicts it: {did_you_mean(name, frame.columns)}"))
        kind = self.values["kind"]
        if kind == "classes":
            return _encode_classes(frame[self.columns[0]], self.values["classes"], lines, origin)
        if kind == "tags":
            return encode_tags(frame[self.columns[0]], self.values, lines=lines)
        if kind == "boxes":
            from sonde.data.prepare import scene_targets  # it reaches PyTorch, which the doctor's checks do without

            return scene_targets.encode_boxes(self.values, frame, lambda row: str(frame["image"][row]))
        if kind == "tokens":
            return written(self.values, frame[self.columns[0]].fill_null("").to_list()), []
        columns, problems = [], []
        for name in self.columns:
            array, wrong = _encode_numbers(frame[name], lines, origin, flags=kind == "labels")
            columns.append(array)
            problems += wrong
        if "horizon" in self.values:
            return ahead(columns[0], self.values["horizon"]), problems
        return np.stack(columns, axis=1).astype(np.float32), problems


    def inspect_examples(self, examples: Examples) -> tuple[np.ndarray, np.ndarray | None, list[Problem]]:
        """As `inspect`, of whole examples: targets, maps of instances where the target has such, and what is wrong."""
        if self.values["kind"] in SCENE_KINDS:
            from sonde.data.prepare import scene_targets
        if self.values["kind"] == "mask":
            array, problems = scene_targets.encode_masks(self.values, examples)
            return array, None, problems
        array, problems = self.inspect(examples.frame, lines=examples.lines)
        maps = scene_targets.encode_instances(self.values, examples.frame) if self.values.get("masks") else None
        return array, maps, problems


def labels_of(target: dict[str, Any]) -> tuple[str, ...]:
    """What each output stands for: a class, or a column (and the step ahead, of a forecast)."""
    if target["kind"] in ("classes", "tags", "boxes", "mask"):
        return tuple(str(name) for name in target["classes"])
    return tuple(str(name) for name in target["columns"]) + tuple(f"+{step}" for step in range(1, target.get("horizon", 1)))


def fit_target(
    task: str,
    options: dict[str, Any],
    selection: Selection,
    columns: tuple[str, ...],
    *,
    text: TextPreparation | BertPreparation | None = None,
    data: recipe.Data | None = None,
    scenes: ScenePreparation | None = None,
) -> Target:
    """The target of `task` from the training part. `options` are the task's: `transform`, `horizon` and `shared` are read here.

    `text`: the fitted preparation of what a language model foretells, or a translator reads. `data`: what the recipe says of texts to write,
    and of slots for objects. `scenes`: the fitted preparation of pictures with objects or masks.

    Classes stand in the order of their numbers or letters. `transform` left open becomes log where all targets are
    positive and their skewness exceeds 1.5 and shrinks by it, else standardise.
    """
    if task in ("language-modelling", "word-vectors"):
        assert isinstance(text, TextPreparation)
        why = "the next token" if task == "language-modelling" else "the word in the middle of a window"
        return Target({"kind": "tokens", "columns": [], "tokenizer": text.tokenizer.to_json()}, why)
    if task == "masked-language-modelling":
        assert isinstance(text, BertPreparation)
        return Target({"kind": "tokens", "columns": [], "tokenizer": text.tokenizer.to_json()}, "the words that were masked")
    if task == "question-answering":
        assert isinstance(text, BertPreparation)
        none = bool((selection.examples.frame["answers"].gather(selection.index).list.len() == 0).any())
        why = "where the answer begins and ends" + (", or that there is none" if none else "")
        return Target({"kind": "span", "columns": list(columns), "separator": text.pieces.separator, "none": none}, why)
    if task == "tagging":
        assert text is not None
        length = text.words if isinstance(text, BertPreparation) else text.length
        return Target(fit_tags(selection, columns[0], length=length), "the tag of each token")
    if task == "translation":
        assert isinstance(text, TextPreparation) and data is not None
        values = fit_written(selection, data, options, text)
        return Target(values, "the target sentence, token by token")
    if task in ("detection", "segmentation"):
        from sonde.data.prepare import scene_targets
    if task == "detection":
        assert scenes is not None
        values = scene_targets.fit_boxes(selection, scenes, most=100 if data is None else data.slots)
        return Target(values, f"objects of {len(values['classes'])} classes, at most {values['slots']} a picture")
    if task == "segmentation":
        assert scenes is not None
        values = scene_targets.fit_mask(selection, scenes)
        return Target(values, f"the class of each pixel, of {len(values['classes'])}")
    rows = selection.index
    series = [selection.examples.frame[name].gather(rows) for name in columns]
    lines = rows + 2 if selection.examples.lines is None else selection.examples.lines[rows]
    if task == "classification":
        classes, counts = _classes(series[0])
        return Target({"kind": "classes", "columns": list(columns), "classes": classes, "counts": counts}, f"{len(classes)} classes")
    if task == "multi-label-classification":
        ones = [int(np.nansum(_clean(values, lines, flags=True))) for values in series]
        return Target({"kind": "labels", "columns": list(columns), "counts": ones}, f"{len(columns)} labels")
    numbers = [_clean(values, lines, flags=False) for values in series]
    present = [values[np.isfinite(values)] for values in numbers]
    for name, values in zip(columns, present, strict=True):
        if not len(values):
            raise DataError(Problem("error", f"column {name!r}", "the training part has no target", "name another --target"))
    transform, why = _transform(options.get("transform"), columns, numbers, lines)
    moved = [np.log1p(values) if transform == "log" else values for values in present]
    mean, std = [float(values.mean()) for values in moved], [float(values.std()) or 1.0 for values in moved]
    if transform == "none":
        mean, std = [0.0] * len(columns), [1.0] * len(columns)
    table: dict[str, Any] = {"kind": "numbers", "columns": list(columns), "transform": transform, "mean": mean, "std": std}
    table["minimum"] = [float(values.min()) for values in present]
    if task == "forecasting":
        table["horizon"] = int(options.get("horizon", 1))
    return Target(table, why)


def ahead(values: np.ndarray, horizon: int) -> np.ndarray:
    """float32 (row, horizon): the `horizon` values that end with each row's own; NaN where there are not so many."""
    padded = np.concatenate([np.full(horizon - 1, np.nan), values])
    return np.lib.stride_tricks.sliding_window_view(padded, horizon).astype(np.float32)


def skewness(values: np.ndarray) -> float:
    """The third standardised moment; 0 for constant values."""
    centred = values - values.mean()
    std = np.sqrt(np.mean(centred**2))
    return float(np.mean((centred / std) ** 3)) if std > 0 else 0.0


def labels(values: pl.Series) -> pl.Series:
    """Class labels as text, in one spelling: 1 and 1.0 are both `1`."""
    if values.dtype.is_float():
        values = values.fill_nan(None)
        whole = values.cast(pl.Int64, strict=False)
        if bool((whole.cast(values.dtype) == values).all()) and whole.null_count() == values.null_count():
            values = whole
    return values.cast(pl.String)


def _classes(values: pl.Series) -> tuple[list[str], list[int]]:
    counted = labels(values).drop_nulls().alias("label").value_counts(name="count")
    number = counted["label"].cast(pl.Float64, strict=False)
    if number.null_count() == 0:
        counted = counted.with_columns(number.alias("number")).sort("number", "label")
    else:
        counted = counted.sort("label")
    return counted["label"].to_list(), counted["count"].to_list()


def _encode_classes(values: pl.Series, classes: list[str], lines: np.ndarray | None, origin: str) -> tuple[np.ndarray, list[Problem]]:
    text = labels(values)
    codes = text.cast(pl.Enum(classes), strict=False).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    unseen = np.flatnonzero((codes < 0) & text.is_not_null().to_numpy())
    problems = []
    if len(unseen):
        known = ", ".join(classes[:10]) + (f" … ({len(classes)} in all)" if len(classes) > 10 else "")
        remedy = f"the classes of the training part are {known}: mend the label, or add such examples to the training part"
        found = [(int(row), f"the label {text[int(row)]!r} does not occur in the training part") for row in unseen]
        problems = [Problem("error", _where(origin, row, lines, values.name), what, remedy, row) for row, what in found]
    return codes.astype(np.int64), problems


def _encode_numbers(values: pl.Series, lines: np.ndarray | None, origin: str, *, flags: bool) -> tuple[np.ndarray, list[Problem]]:
    """float64 (row,), NaN where missing or wrong, and what is wrong."""
    numbers = values.cast(pl.Float64, strict=False)
    array = numbers.fill_null(float("nan")).to_numpy()
    wrong = numbers.is_null().to_numpy() & values.is_not_null().to_numpy() | np.isinf(array)
    if flags:
        wrong |= ~(np.isnan(array) | (array == 0) | (array == 1))
    rows = np.flatnonzero(wrong)
    if not len(rows):
        return array, []
    wanted = "0 or 1" if flags else "a finite number"
    problems = [
        Problem("error", _where(origin, int(row), lines, values.name), f"{values[int(row)]!r} is not {wanted}", "mend the value", int(row))
        for row in rows
    ]
    return np.where(wrong, np.nan, array), problems


def _clean(values: pl.Series, lines: np.ndarray, *, flags: bool) -> np.ndarray:
    array, problems = _encode_numbers(values, lines, "", flags=flags)
    if problems:
        raise DataError(problems)
    return array


def _transform(asked: Any, columns: tuple[str, ...], numbers: list[np.ndarray], lines: np.ndarray) -> tuple[str, str]:
    """The transform and why."""
    if asked is not None and asked not in TRANSFORMS:
        what = f"task.transform = {asked!r} is not one of {', '.join(TRANSFORMS)}"
        raise RecipeError(what, where="task.options", remedy=did_you_mean(str(asked), TRANSFORMS))
    if asked == "log":
        for name, values in zip(columns, numbers, strict=True):
            low = np.flatnonzero(values <= -1)
            if len(low):
                found = f"{values[low[0]]:g} has no ln(1 + y), which task.transform=log predicts"
                raise DataError(Problem("error", _where("", int(low[0]), lines, name), found, "use --set task.transform=standardise"))
    if asked is not None:
        return asked, "as task.transform says"
    skews = []
    for values in numbers:
        present = values[np.isfinite(values)]
        before = skewness(present)
        if present.min() <= 0 or before <= SKEW or abs(skewness(np.log1p(present))) >= before:
            return "standardise", "values are centred and scaled"
        skews.append(before)
    return "log", f"all targets are positive and skewed ({', '.join(f'{skew:.1f}' for skew in skews)}), so ln(1 + y) is predicted"


def _where(origin: str, row: int, lines: np.ndarray | None, column: str) -> str:
    line = row + 2 if lines is None else int(lines[row])
    return (f"{origin}, " if origin else "") + f"line {line}, column {column!r}"

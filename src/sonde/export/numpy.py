"""A run as a folder that predicts with NumPy alone.

    graph.json            the computation, from raw inputs to logits or to values in the units of the data
    weights.safetensors   its weights
    preprocessing.json    how data become raw inputs, and outputs an answer
    predict.py            `python predict.py new.csv`, or `from predict import load`
    numpy_runtime/        what predict.py runs

Before the folder gets its name, its predictions for examples of the training part are compared with the run's own.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from sonde.data.contents import Examples
from sonde.data.readers.delimited import HEADERLESS
from sonde.errors import RunError, SondeError, UsageError
from sonde.export import numpy_runtime
from sonde.export.graph import write_graph
from sonde.export.language_model import compare_text, described, stepping
from sonde.export.numpy_runtime.graph import FORMAT
from sonde.export.numpy_runtime.language_model import LanguageModel
from sonde.export.numpy_runtime.model import PREPROCESSING, Model, load
from sonde.export.numpy_runtime.problem import PredictError
from sonde.export.numpy_runtime.text import CUTS
from sonde.run import Run
from sonde.tasks import Task
from sonde.tasks.classification import Classification
from sonde.tasks.forecasting import Forecasting
from sonde.tasks.language_modelling import LanguageModelling
from sonde.tasks.multi_label_classification import MultiLabelClassification
from sonde.tasks.regression import Regression

TOLERANCE = 1e-5  # of the largest output
# What the graph's inputs are called, where there may be several.
INPUTS = {"table": ("numbers", "categories"), "text": ("tokens", "lengths"), "running-text": ("tokens", "state", "memory")}
CHECKED = 64  # examples of the training part that are compared

PREDICT = '''"""Predict with this exported model: `python predict.py new.csv`, or in Python

    from predict import load
    load().predict(rows)        # rows: a path, an array, a list of dictionaries

NumPy is all that it needs (and Pillow for picture files).
"""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

from numpy_runtime.command import main
from numpy_runtime.language_model import LanguageModel
from numpy_runtime.model import Model
from numpy_runtime.model import load as load_folder


def load(folder: "str | Path" = FOLDER) -> "Model | LanguageModel":
    """The model in an exported folder (default: this one). Its `predict` takes a path, an array or rows, and gives columns by name;
    a language model has `write` too."""
    return load_folder(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], FOLDER))
'''


@dataclass(frozen=True)
class Exported:
    """What was written. `difference` is the largest one found, relative to the largest output; `checked` on how many examples, of what."""

    folder: Path
    bytes: int
    difference: float
    checked: int
    examples: str


class Predicting(nn.Module):
    """A task's predictions, its way back to the units of the data included, as one module."""

    def __init__(self, model: nn.Module, task: Task) -> None:
        super().__init__()
        self.model, self.task = model, task

    def forward(self, *inputs: Tensor) -> Tensor:
        """What `task.predict` gives for raw inputs."""
        return self.task.predict(self.model, inputs)


def export(run: Run, folder: Path) -> Exported:
    """Write `run` to `folder`, which must not exist, be empty, or hold an earlier export (which is replaced).

    Raises RunError for a K-fold, a model with an operation that NumPy's side lacks, and predictions that are not the run's own to
    1e-5; UsageError for a folder that holds something else. Nothing half written is left.
    """
    if run.folds:
        remedy = f"export one of its folds: sonde export {run.folds[0].path} --to numpy"
        raise RunError("this run is a K-fold: each fold has a preprocessing and a model of its own", where=str(run.path), remedy=remedy)
    _refuse_taken(folder)
    run.to("cpu")
    preprocessing = describe(run)
    model: nn.Module = Predicting(run.model, run.task).eval()
    if isinstance(run.task, LanguageModelling):
        model, inputs = stepping(run)
        preprocessing |= described(inputs)
        examples, said = None, "tokens of running text"
    else:
        inputs, examples, said = _examples(run)
    beside = folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}")
    try:
        beside.mkdir(parents=True)
        write(model, inputs, preprocessing, beside, where=str(run.path))
        exported, checked = load(beside), len(inputs[0])
        if isinstance(exported, LanguageModel):
            difference, checked = compare_text(exported, run)
            _refuse_apart(difference, where=str(run.path))
        else:
            difference = compare(exported, model, inputs, where=str(run.path))
        if examples is not None and isinstance(exported, Model):
            _compare_inputs(exported, examples, inputs, where=str(run.path))
        size = sum(file.stat().st_size for file in beside.rglob("*") if file.is_file())
        if folder.exists():
            shutil.rmtree(folder)
        beside.rename(folder)
    except OSError as error:
        remedy = "make room, or give another folder with --out"
        raise RunError(f"the export cannot be written: {error.strerror or error}", where=str(folder), remedy=remedy) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Exported(folder, size, difference, checked, said)


def write(model: nn.Module, inputs: tuple[Tensor, ...], preprocessing: dict[str, Any], folder: Path, *, where: str = "the model") -> None:
    """All files of an export, into a folder that exists. `inputs` are examples of the model's raw inputs, at least two rows."""
    names = INPUTS.get(preprocessing["kind"], (preprocessing["kind"],))
    written = write_graph(model, inputs, names=names[: len(inputs)], where=where)
    safetensors.torch.save_file(written.weights, folder / "weights.safetensors")
    (folder / "graph.json").write_text(json.dumps(written.graph, indent=1), encoding="utf-8")
    (folder / "preprocessing.json").write_text(json.dumps(preprocessing, ensure_ascii=False, indent=1), encoding="utf-8")
    (folder / "predict.py").write_text(PREDICT, encoding="utf-8")
    assert numpy_runtime.__file__ is not None
    shutil.copytree(Path(numpy_runtime.__file__).parent, folder / "numpy_runtime", ignore=shutil.ignore_patterns("__pycache__"))


def describe(run: Run) -> dict[str, Any]:
    """preprocessing.json of a run. Raises RunError for a kind of data or a task that the NumPy side does not know."""
    preparation: dict[str, Any] = run.preparation.to_json()
    if preparation["kind"] not in PREPROCESSING:
        what = f"the preprocessing of {preparation['kind']} cannot be exported; known are {', '.join(PREPROCESSING)}"
        raise RunError(what, where=str(run.path), remedy="use the run with PyTorch (`sonde predict`)")
    kind: str = preparation["kind"]
    if kind == "text":
        if (name := preparation["tokenizer"]["name"]) not in CUTS:
            what = f"the tokeniser {name} cannot be exported; known are {', '.join(CUTS)}"
            raise RunError(what, where=str(run.path), remedy="use the run with PyTorch (`sonde predict`), or train with --tokenizer characters")
        kind = "running-text" if preparation["window"] else kind
    data = run.recipe.data
    return {
        "format": FORMAT,
        "sonde": run.description["sonde"],
        "kind": kind,
        "preparation": preparation,
        "answer": answer(run.task, run.target.outputs, where=str(run.path)),
        "id": data.id,
        "text": data.text or preparation.get("column"),
        "time": _time(run) if preparation["kind"] == "series" else None,
        "drop": list(data.drop),
        "features": list(data.features),
        "published": _published(preparation),
    }


def compare(exported: Model, model: nn.Module, inputs: tuple[Tensor, ...], *, where: str = "the model") -> float:
    """The largest difference between the export's outputs and the model's, relative to the largest output of its column.

    Raises RunError where it exceeds 1e-5.
    """
    with torch.no_grad():
        ours = model(*inputs).numpy()
    try:
        theirs = exported.outputs(*(each.numpy() for each in inputs))
    except (TypeError, ValueError, IndexError, KeyError) as error:
        what = f"the exported graph does not run on NumPy ({error})"
        raise RunError(what, where=where, remedy="use the run with PyTorch (`sonde predict`), and report the model") from error
    if theirs.shape != ours.shape or not np.array_equal(np.isfinite(theirs), np.isfinite(ours)):
        difference = float("inf")
    else:
        finite = np.where(np.isfinite(ours), ours, 0).astype(np.float64)
        gap = np.abs(finite - np.where(np.isfinite(ours), theirs, 0))
        difference = float(gap.max(initial=0) / max(float(np.abs(finite).max(initial=0)), 1e-30))
    _refuse_apart(difference, where=where)
    return difference


def _refuse_apart(difference: float, *, where: str) -> None:
    if not difference <= TOLERANCE:
        what = f"the exported model's outputs differ from the run's by {difference:.1e} of the largest, more than {TOLERANCE:.0e}"
        raise RunError(what, where=where, remedy="use the run with PyTorch (`sonde predict`), and report the model")


def answer(task: Task, outputs: int, *, where: str) -> dict[str, Any]:
    """What the outputs mean, as the task has it. Raises RunError for a task that the NumPy side does not know."""
    if isinstance(task, Classification):
        return {"kind": "classes", "classes": list(task.classes), "criterion": task.criterion}
    if isinstance(task, MultiLabelClassification):
        return {"kind": "labels", "labels": list(task.labels)}
    if isinstance(task, (Regression, Forecasting)):
        return {"kind": "numbers", "columns": list(task.table(torch.zeros(1, outputs)))}
    if isinstance(task, LanguageModelling):
        return {"kind": "next-token"}
    what = f"predictions of the task {type(task).__name__} cannot be exported"
    raise RunError(what, where=where, remedy="use the run with PyTorch (`sonde predict`)")


def _published(preparation: dict[str, Any]) -> list[str]:
    """The columns' names of a known file without a header, where the run was trained on one; none otherwise."""
    learned = {column["name"] for column in preparation.get("columns", []) if column["encoder"] is not None}
    return next((list(names) for names in HEADERLESS.values() if learned and learned <= set(names)), [])


def _time(run: Run) -> str | None:
    """The column of dates of a series: as the recipe says, or as its data have it."""
    if run.recipe.data.time is not None:
        return run.recipe.data.time
    try:
        frame = run.part("train")[2].frame
    except SondeError:
        return None
    return next((name for name, dtype in frame.schema.items() if dtype.is_temporal()), None)


def _examples(run: Run) -> tuple[tuple[Tensor, ...], Examples | None, str]:
    """Raw inputs to check with, and the examples that they come from; drawn ones where the run's data are not at hand."""
    try:
        columns, index, examples = run.part("train")
    except SondeError:
        return _drawn(run), None, "drawn inputs, as the run's data are not at hand"
    chosen = index[np.unique(np.linspace(0, len(index) - 1, min(CHECKED, len(index))).astype(np.int64))]
    rows = chosen if len(chosen) > 1 else np.repeat(chosen, 2)
    kept = columns.take(torch.from_numpy(rows)).inputs
    inputs = tuple(each if each.dtype in (torch.uint8, torch.float32) else each.long() for each in kept)
    # The windows of a series need the rows before them, so that its examples are not taken apart.
    apart = None if run.description["kind"] == "series" or "window" in run.preparation.to_json() else examples.take(rows)
    return inputs, apart, "examples of the training part"


def _drawn(run: Run) -> tuple[Tensor, ...]:
    """Random raw inputs of the right form: pictures; numbers about their mean, a tenth missing; codes."""
    draw = np.random.default_rng(0)
    sizes, normalisation = run.preparation.sizes, run.preparation.normalisation
    if "channels" in sizes:
        return (torch.from_numpy(draw.integers(0, 256, (CHECKED, sizes["channels"], sizes["size"], sizes["size"]), dtype=np.uint8)),)
    mean, std = np.atleast_1d(normalisation["mean"]), np.atleast_1d(normalisation["std"])
    width = sizes["numbers"] if normalisation["kind"] == "series" else len(mean)
    numbers = mean + std * draw.normal(size=(CHECKED, width))
    if normalisation["kind"] == "table":
        numbers[draw.random(numbers.shape) < 0.1] = np.nan
    codes = [draw.integers(0, size, CHECKED) for size in sizes["categories"]]
    return (torch.from_numpy(numbers.astype(np.float32)), *([torch.from_numpy(np.stack(codes, axis=1))] if codes else []))


def _compare_inputs(exported: Model, examples: Examples, inputs: tuple[Tensor, ...], *, where: str) -> None:
    """The preprocessing: the same examples must become the same raw inputs."""
    source: Any = examples.frame.to_dicts()
    if examples.pictures is not None:
        source = [examples.pictures.read(place) for place in range(len(examples))]
        alike = len({picture.shape for picture in source}) == 1
        source = np.stack(source) if alike else None
    if source is None:  # of different sizes: no array holds them
        return
    try:
        _, theirs = exported.encode(source)
    except PredictError as error:
        raise RunError(f"the exported preprocessing fails on training examples ({error})", where=where, remedy="report the data's form") from None
    for ours, other in zip(inputs, theirs, strict=True):
        if not np.array_equal(ours.numpy(), other, equal_nan=ours.is_floating_point()):
            what = "the exported preprocessing makes other inputs of training examples than the run does"
            raise RunError(what, where=where, remedy="use the run with PyTorch (`sonde predict`), and report the data's form")


def _refuse_taken(folder: Path) -> None:
    """UsageError unless the folder is free, or an earlier export."""
    if folder.is_dir() and (not any(folder.iterdir()) or ((folder / "graph.json").exists() and (folder / "predict.py").exists())):
        return
    if folder.exists() or os.path.islink(folder):
        raise UsageError("this exists, and is no earlier export", where=str(folder), remedy="give another folder with --out")

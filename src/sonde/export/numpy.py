"""A run as a folder that predicts with NumPy alone.

    graph.json            the computation, from raw inputs to logits or to values in the units of the data
    weights.safetensors   its weights
    preprocessing.json    how data become raw inputs, and outputs an answer
    predict.py            `python predict.py new.csv`, or `from predict import load`
    numpy_runtime/        what predict.py runs

Of a K-fold the first three stand below folds/1, folds/2 …, one for each of its models; a translator has the first two twice, below
encoder/ and decoder/, a model that fills blanks three times, below forwards/, backwards/ and output/. Before the folder gets its name, its
predictions for examples of the training part are compared with the run's own.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor, nn

from sonde.data.prepare.scenes import ScenePreparation
from sonde.errors import RunError
from sonde.export import numpy_runtime
from sonde.export.check import compare, compare_inputs, examples_of, refuse_apart
from sonde.export.folder import Exported, size_of, written_whole
from sonde.export.graph import write_graph
from sonde.export.language_model import Part, compare_blanks, compare_text, compare_translations, filling, foretelling, translating
from sonde.export.numpy_runtime.blanks import BlankFiller
from sonde.export.numpy_runtime.language_model import LanguageModel
from sonde.export.numpy_runtime.masks import MaskFiller
from sonde.export.numpy_runtime.model import Loaded, Model, load
from sonde.export.numpy_runtime.questions import Answerer
from sonde.export.numpy_runtime.translator import Translator
from sonde.export.preprocessing import describe
from sonde.export.questions import Masks, Spans
from sonde.export.scenes import compare_scenes, inputs_of, network_of
from sonde.export.word_vectors import export_vectors
from sonde.nn.sequence import blank_filler
from sonde.run import Run
from sonde.tasks import Task
from sonde.tasks.language_modelling import LanguageModelling
from sonde.tasks.masked_language_modelling import MaskedLanguageModelling
from sonde.tasks.question_answering import QuestionAnswering
from sonde.tasks.translation import Translation
from sonde.tasks.word_vectors import WordVectors

# What the graph's inputs are called, where there may be several.
INPUTS = {
    "table": ("numbers", "categories"),
    "text": ("tokens", "lengths"),
    "tagged": ("tokens", "lengths"),
    "running-text": ("tokens", "state", "memory"),
    "bert": ("tokens", "lengths", "words"),
    "questions": ("tokens", "lengths"),
}

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
from numpy_runtime.model import Loaded
from numpy_runtime.model import load as load_folder


def load(folder: "str | Path" = FOLDER) -> Loaded:
    """The model in an exported folder (default: this one). Its `predict` takes a path, an array or rows, and gives columns by name;
    a language model has `write` too, one that reads in both directions `fill`, one that tells the class of each pixel `plane`."""
    return load_folder(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], FOLDER))
'''


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

    Of a K-fold every fold is written, below `folds/`, and predict.py gives the mean of their outputs, as the run does.

    Raises RunError for a model with an operation that NumPy's side lacks, and predictions that are not the run's own to 1e-5;
    UsageError for a folder that holds something else. Nothing half written is left.
    """
    if run.folds and isinstance(run.folds[0].task, (LanguageModelling, Translation, WordVectors)):
        remedy = f"export one of its folds: sonde export {run.folds[0].path} --to numpy"
        raise RunError("the folds of a model that writes, or of word vectors, have no mean", where=str(run.path), remedy=remedy)
    with written_whole(folder, lambda path: (path / "predict.py").exists() and (path / "numpy_runtime").is_dir()) as beside:
        done = [_export_one(fold, beside / "folds" / fold.path.name) for fold in run.folds] or [_export_one(run, beside)]
        _write_program(beside)
    _, _, said = done[0]
    difference, checked = max(difference for difference, _, _ in done), sum(checked for _, checked, _ in done)
    return Exported(folder, size_of(folder), difference, checked, said, f"python {folder / 'predict.py'} FILE…")


# The largest difference found between export and run, on how many examples, of what.
Agreement = tuple[float, int, str]


def _export_one(run: Run, folder: Path) -> Agreement:
    """A run of one model into a new folder."""
    run.to("cpu")
    folder.mkdir(parents=True, exist_ok=True)
    export = next(export for belongs, export in EXPORTERS if belongs(run))
    return export(run, folder)


def _word_vectors(run: Run, folder: Path) -> Agreement:
    difference, checked, said = export_vectors(run, folder)
    refuse_apart(difference, where=str(run.path))
    return difference, checked, said


def _translator(run: Run, folder: Path) -> Agreement:
    graphs, decoder = translating(run)
    exported = _write_parts(graphs, describe(run) | {"decoder": decoder}, folder, where=str(run.path))
    assert isinstance(exported, Translator)
    difference, checked = compare_translations(exported, run)
    refuse_apart(difference, where=str(run.path))
    return difference, checked, "sources and what the run writes of them"


def _blank_filler(run: Run, folder: Path) -> Agreement:
    graphs, decoder = filling(run)
    preprocessing = describe(run) | {"decoder": decoder, "answer": {"kind": "blanks"}}
    exported = _write_parts(graphs, preprocessing, folder, where=str(run.path))
    assert isinstance(exported, BlankFiller)
    difference, checked = compare_blanks(exported, run)
    refuse_apart(difference, where=str(run.path))
    return difference, checked, "tokens of running text"


def _language_model(run: Run, folder: Path) -> Agreement:
    model, inputs, decoder = foretelling(run)
    _write_model(model, inputs, describe(run) | {"decoder": decoder}, folder, where=str(run.path))
    exported = load(folder)
    assert isinstance(exported, LanguageModel)
    difference, checked = compare_text(exported, run)
    refuse_apart(difference, where=str(run.path))
    return difference, checked, "tokens of running text"


def _scenes(run: Run, folder: Path) -> Agreement:
    _write_model(network_of(run), inputs_of(run), describe(run), folder, where=str(run.path))
    return compare_scenes(load(folder), run)


def _rows(run: Run, folder: Path) -> Agreement:
    """What has one answer a row: tables, pictures, series, texts, questions, masked texts."""
    where, model = str(run.path), _answering(run).eval()
    inputs, examples, said = examples_of(run)
    _write_model(model, inputs, describe(run), folder, where=where)
    exported = load(folder)
    assert isinstance(exported, (Model, Answerer, MaskFiller))
    difference = compare(exported, model, inputs, where=where)
    if examples is not None and not isinstance(exported, MaskFiller):
        compare_inputs(exported, examples, inputs, where=where)
    return difference, len(inputs[0]), said


# Whether a run is of a kind, and how that is written and compared; the first that it is of.
EXPORTERS: tuple[tuple[Callable[[Run], bool], Callable[[Run, Path], Agreement]], ...] = (
    (lambda run: isinstance(run.task, WordVectors), _word_vectors),
    (lambda run: isinstance(run.task, Translation), _translator),
    (lambda run: isinstance(run.task, LanguageModelling) and blank_filler(run.model) is not None, _blank_filler),
    (lambda run: isinstance(run.task, LanguageModelling), _language_model),
    (lambda run: isinstance(run.preparation, ScenePreparation), _scenes),
    (lambda run: True, _rows),
)


def _write_parts(graphs: dict[str, Part], preprocessing: dict[str, Any], folder: Path, *, where: str) -> Loaded:
    """A model of several graphs, each in a folder of its name, and the model that they are when loaded."""
    for name, (part, inputs) in graphs.items():
        (folder / name).mkdir(exist_ok=True)
        _write_graph(part, inputs, tuple(f"input{place}" for place in range(len(inputs))), folder / name, where=where)
    _write_json(preprocessing, folder)
    return load(folder)


def _answering(run: Run) -> nn.Module:
    """The module whose answers are exported: the task's, or logits where what is made of them is sought in NumPy."""
    if isinstance(run.task, QuestionAnswering):
        return Spans(run.model, run.task)
    return Masks(run.model) if isinstance(run.task, MaskedLanguageModelling) else Predicting(run.model, run.task)


def write(model: nn.Module, inputs: tuple[Tensor, ...], preprocessing: dict[str, Any], folder: Path) -> None:
    """All files of an export, into a folder that exists. `inputs` are examples of the model's raw inputs, at least two rows."""
    _write_model(model, inputs, preprocessing, folder, where="the model")
    _write_program(folder)


def _write_model(model: nn.Module, inputs: tuple[Tensor, ...], preprocessing: dict[str, Any], folder: Path, *, where: str) -> None:
    names = INPUTS.get(preprocessing["kind"], (preprocessing["kind"],))
    # BERT reads texts of about one length together.
    steps = preprocessing["preparation"]["length"] if preprocessing["kind"] in ("bert", "questions") else None
    _write_graph(model, inputs, names[: len(inputs)], folder, where=where, steps=steps)
    _write_json(preprocessing, folder)


def _write_graph(
    model: nn.Module, inputs: tuple[Tensor, ...], names: tuple[str, ...], folder: Path, *, where: str, steps: int | None = None
) -> None:
    written = write_graph(model, inputs, names=names, where=where, steps=steps)
    safetensors.torch.save_file(written.weights, folder / "weights.safetensors")
    (folder / "graph.json").write_text(json.dumps(written.graph, indent=1), encoding="utf-8")


def _write_json(preprocessing: dict[str, Any], folder: Path) -> None:
    (folder / "preprocessing.json").write_text(json.dumps(preprocessing, ensure_ascii=False, indent=1), encoding="utf-8")


def _write_program(folder: Path) -> None:
    (folder / "predict.py").write_text(PREDICT, encoding="utf-8")
    assert numpy_runtime.__file__ is not None
    shutil.copytree(Path(numpy_runtime.__file__).parent, folder / "numpy_runtime", ignore=shutil.ignore_patterns("__pycache__"))

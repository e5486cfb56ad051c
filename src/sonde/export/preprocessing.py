"""preprocessing.json of an export: how data become a model's raw inputs, and outputs an answer."""

from __future__ import annotations

from typing import Any

import torch

from sonde.data.prepare.tokenizers.classes import character_classes
from sonde.data.prepare.tokenizers.normal_form import normal_form
from sonde.data.readers.delimited import HEADERLESS
from sonde.errors import RunError, SondeError
from sonde.export.numpy_runtime.graph import FORMAT
from sonde.export.numpy_runtime.model import PREPROCESSING
from sonde.export.numpy_runtime.text import TOKENIZERS
from sonde.export.scenes import answer as scene_answer
from sonde.run import Run
from sonde.tasks import Task
from sonde.tasks.classification import Classification
from sonde.tasks.forecasting import Forecasting
from sonde.tasks.language_modelling import LanguageModelling
from sonde.tasks.masked_language_modelling import MaskedLanguageModelling
from sonde.tasks.multi_label_classification import MultiLabelClassification
from sonde.tasks.question_answering import QuestionAnswering
from sonde.tasks.regression import Regression
from sonde.tasks.tagging import Tagging
from sonde.tasks.translation import Translation


def describe(run: Run) -> dict[str, Any]:
    """preprocessing.json of a run. Raises RunError for a kind of data or a task that the NumPy side does not know."""
    preparation: dict[str, Any] = run.preparation.to_json()
    if preparation["kind"] not in PREPROCESSING:
        what = f"the preprocessing of {preparation['kind']} cannot be exported; known are {', '.join(PREPROCESSING)}"
        raise RunError(what, where=str(run.path), remedy="use the run with PyTorch (`sonde predict`)")
    kind: str = preparation["kind"]
    if kind == "text":
        if (name := preparation["tokenizer"]["name"]) not in (*TOKENIZERS, "tokens"):
            what = f"the tokeniser {name} cannot be exported; known are {', '.join(TOKENIZERS)}"
            raise RunError(what, where=str(run.path), remedy="use the run with PyTorch (`sonde predict`), or train with --tokenizer characters")
        preparation["tokenizer"] |= character_classes(preparation["tokenizer"]["name"])
        kind = "tagged" if name == "tokens" else "running-text" if preparation["window"] else kind
    if kind == "bert":
        form = normal_form(lower=preparation["tokenizer"]["lower"])
        preparation["tokenizer"] |= character_classes("bert") | {"form": form}
        kind = "questions" if preparation.get("stride") else kind
    data = run.recipe.data
    return {
        "format": FORMAT,
        "sonde": run.description["sonde"],
        "kind": kind,
        "preparation": preparation,
        "answer": scene_answer(run) if kind == "scenes" else answer(run.task, run.target.outputs, where=str(run.path)),
        "id": data.id,
        "text": data.text or preparation.get("column"),
        "time": _time(run) if preparation["kind"] == "series" else None,
        "drop": list(data.drop),
        "features": list(data.features),
        "published": _published(preparation),
    }


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
    if isinstance(task, Tagging):
        return {"kind": "tags", "classes": list(task.classes)}
    if isinstance(task, Translation):
        saved = task.tokenizer.to_json()
        return {"kind": "translation", "tokenizer": saved | character_classes(saved["name"]), "beam": task.beam, "longest": task.longest}
    if isinstance(task, QuestionAnswering):
        return {"kind": "answers", "none": task.none, "longest": task.longest}
    if isinstance(task, MaskedLanguageModelling):
        return {"kind": "masks"}
    what = f"predictions of the task {type(task).__name__} cannot be exported"
    raise RunError(what, where=where, remedy="use the run with PyTorch (`sonde predict`)")


def _published(preparation: dict[str, Any]) -> list[str]:
    """The columns' names of a known file without a header, where the run was trained on one; none otherwise."""
    columns = preparation["columns"] if preparation["kind"] == "table" else []
    learned = {column["name"] for column in columns if column["encoder"] is not None}
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

"""Kinds of problem, one a file. The table below is all there is to registering one."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from torch import Tensor, nn

from sonde.data.batch import Batch
from sonde.errors import RecipeError, did_you_mean
from sonde.metrics.rows import RowMetric
from sonde.metrics.texts import TextMetric

# name → module and class. `sonde tasks` prints it with the first line of each class's docstring.
TASKS: dict[str, str] = {
    "classification": "sonde.tasks.classification:Classification",
    "multi-label-classification": "sonde.tasks.multi_label_classification:MultiLabelClassification",
    "regression": "sonde.tasks.regression:Regression",
    "forecasting": "sonde.tasks.forecasting:Forecasting",
    "language-modelling": "sonde.tasks.language_modelling:LanguageModelling",
    "masked-language-modelling": "sonde.tasks.masked_language_modelling:MaskedLanguageModelling",
    "word-vectors": "sonde.tasks.word_vectors:WordVectors",
    "tagging": "sonde.tasks.tagging:Tagging",
    "translation": "sonde.tasks.translation:Translation",
    "question-answering": "sonde.tasks.question_answering:QuestionAnswering",
    "detection": "sonde.tasks.detection:Detection",
    "segmentation": "sonde.tasks.segmentation:Segmentation",
}
# Tasks whose labels can be mixed: λ·L(y₁) + (1 − λ)·L(y₂) means something for one picture made of two.
MIXING = ("classification", "multi-label-classification", "regression")


@dataclass(frozen=True)
class Loss:
    """One step's loss.

    `value` is what is differentiated: every term's sum divided by its own count in `totals`. `terms` are named
    (sum, count) for the log, the sums detached. `output` is the prediction, for training measures. `state` is what a
    sequence model carries to the next batch.
    """

    value: Tensor
    terms: dict[str, tuple[Tensor, float]]
    output: Tensor
    state: Any = None


@runtime_checkable
class Metric(Protocol):
    """A measure that merges: its state is summed over batches and processes, its value is a function of that sum.

    The value is NaN where the sum leaves it undefined (no examples).
    """

    @property
    def better(self) -> Literal["higher", "lower"]:
        """Which way is good."""
        ...

    def state(self, prediction: Tensor, batch: Batch) -> Tensor:
        """What this batch adds: float64, always of one shape; nothing waits for the device."""
        ...

    def value(self, state: Tensor) -> float:
        """The measure, from the summed state."""
        ...


@runtime_checkable
class Task(Protocol):
    """One kind of problem: a frozen value of these four methods. Only it sees both model and data."""

    def loss(self, model: nn.Module, batch: Batch, totals: dict[str, float], state: Any = None) -> Loss:
        """The loss of one batch; `totals` are the counts of the whole step, over accumulation and processes."""
        ...

    def predict(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        """What is predicted for raw inputs: the same kind of tensor as `Loss.output`."""
        ...

    def metrics(self, final: bool) -> Mapping[str, Metric | RowMetric | TextMetric]:
        """The measures, the one to choose by first; with `final` the costly ones too, of which some need all rows, or all texts."""
        ...

    def table(self, prediction: Tensor) -> dict[str, np.ndarray]:
        """Predictions as the columns that a person reads: `prediction`, `probability:cat`, …"""
        ...


def is_teacher_forced(task: Task) -> bool:
    """Whether predictions are measured given the true tokens before them: they are then the loss's own output."""
    return bool(getattr(task, "teacher_forced", False))


def keeps_predictions(task: Task) -> bool:
    """Whether every prediction is gathered after training, for predictions.parquet and for what needs all rows."""
    return bool(getattr(task, "keeps_predictions", True))


def training_sample(task: Task, most: int) -> int:
    """How many examples of the training part are measured in the end, at most `most`."""
    return min(most, int(getattr(task, "training_sample", most)))


def build(name: str, options: dict[str, Any], target: dict[str, Any]) -> Task:
    """The task from its name, the user's options and the fitted target (data/prepare/target.py says what that holds)."""
    if name not in TASKS:
        raise RecipeError(f"there is no task {name!r}", where="task.name", remedy=did_you_mean(name, TASKS))
    module, _, cls = TASKS[name].partition(":")
    task_class = getattr(importlib.import_module(module), cls)
    known = list(task_class.OPTIONS)
    for key in options:
        if key not in known:
            remedy = did_you_mean(key, known) if known else "it has none"
            raise RecipeError(f"task {name} has no option {key!r}", where="task.options", remedy=remedy)
    task: Task = task_class.build(options, target)
    return task

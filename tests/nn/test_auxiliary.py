"""Auxiliary classifiers count in the loss of a training step, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonde import models, tasks
from sonde.data.batch import Batch
from sonde.nn.auxiliary import training_outputs
from sonde.nn.normalise import normaliser
from sonde.nn.prepared import Prepared

WEIGHTS = {"googlenet": [0.3, 0.3], "googlenet-paper": [0.3, 0.3], "inception-v3": [0.4]}
CLASSES = {"kind": "classes", "columns": ["label"], "classes": ["a", "b", "c"], "counts": [2, 1, 3]}
LABELS = {"kind": "labels", "columns": ["x", "y", "z"]}
NUMBERS = {"kind": "numbers", "columns": ["x", "y", "z"], "transform": "standardise", "mean": [0.0, 1.0, 2.0], "std": [1.0, 2.0, 3.0]}


def network(name: str, *, auxiliary: bool = True) -> nn.Module:
    torch.manual_seed(0)
    table = {"channels": 1, "size": 32, "classes": 3, "scale": 1 / 16, "auxiliary": auxiliary, "dropout": 0.0}
    return models.build(name, table | ({"auxiliary_dropout": 0.0} if name.startswith("googlenet") else {}))


def batch(targets: Tensor) -> Batch:
    pictures = torch.randn(len(targets), 1, 32, 32, generator=torch.Generator().manual_seed(1))
    return Batch((pictures,), targets, torch.arange(len(targets)), {"examples": float(len(targets))})


@pytest.mark.parametrize("name", WEIGHTS)
def test_outputs_and_weights(name: str) -> None:
    model = network(name)
    pictures = torch.randn(2, 1, 32, 32)
    outputs = training_outputs(model, pictures)
    assert [weight for weight, _ in outputs] == [1.0, *WEIGHTS[name]]
    assert all(output.shape == (2, 3) for _, output in outputs)
    assert len(training_outputs(network(name, auxiliary=False), pictures)) == 1
    ((weight, output),) = training_outputs(model.eval(), pictures)
    assert weight == 1 and torch.equal(output, model(pictures))


def test_models_without_are_called_as_they_are() -> None:
    model = nn.Linear(3, 2)
    x = torch.ones(1, 3)
    ((weight, output),) = training_outputs(model, x)
    assert weight == 1 and torch.equal(output, model(x))


def test_normalisation_stands_before_all_of_them() -> None:
    model = network("googlenet-paper").double()
    first = normaliser({"kind": "images", "mean": [0.5], "std": [0.25]}).double()
    raw = torch.randint(0, 256, (2, 1, 32, 32), dtype=torch.uint8)
    wrapped, plain = training_outputs(Prepared(first, model), raw), training_outputs(model, *first(raw))
    for (_, a), (_, b) in zip(wrapped, plain, strict=True):
        torch.testing.assert_close(a, b)


CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("classification", {"smoothing": 0.1, "class_weights": "balanced"}, CLASSES),
    ("multi-label-classification", {}, LABELS),
    ("regression", {}, NUMBERS),
]


@pytest.mark.parametrize(("task_name", "options", "target"), CASES)
def test_the_same_loss_is_taken_of_every_output(task_name: str, options: dict[str, Any], target: dict[str, Any]) -> None:
    task = tasks.build(task_name, options, target)
    given = batch(torch.tensor([0, 2, 1, 2, 0, 2]) if task_name == "classification" else (torch.arange(18.0).view(6, 3) % 2))
    totals = {"examples": 6.0}
    model = network("inception-v3")

    class Only(nn.Module):
        """One of the outputs."""

        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place

        def forward(self, pictures: Tensor) -> Tensor:
            return training_outputs(model, pictures)[self.place][1]

    loss = task.loss(model, given, totals)
    own, further = (task.loss(Only(place), given, totals) for place in (0, 1))
    torch.testing.assert_close(loss.value, own.value + 0.4 * further.value)
    # What is logged is comparable with what evaluation measures.
    assert loss.terms.keys() == own.terms.keys()
    torch.testing.assert_close(loss.terms["loss"][0], own.terms["loss"][0])
    torch.testing.assert_close(loss.output, own.output)
    loss.value.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    torch.testing.assert_close(task.loss(model.eval(), given, totals).value, task.loss(Only(0), given, totals).value)


def test_small_maps_leave_the_auxiliary_classifier_something() -> None:
    model = network("inception-v3")
    assert model.AuxLogits(torch.randn(2, 48, 2, 2)).shape == (2, 3)
    assert F.avg_pool2d(torch.zeros(1, 1, 17, 17), 5, 3).shape[2:] == (5, 5)

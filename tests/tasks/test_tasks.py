"""What each task computes, against the formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sonde import tasks
from sonde.data.batch import Batch
from sonde.errors import RecipeError

CLASSES = {"kind": "classes", "columns": ["label"], "classes": ["ant", "bee", "cat"], "counts": [60, 30, 10]}
PRICE = {"kind": "numbers", "columns": ["price"], "transform": "standardise", "mean": [100.0], "std": [20.0]}


class Fixed(nn.Module):
    """Gives what it was made with, whatever it is asked."""

    def __init__(self, output: torch.Tensor) -> None:
        super().__init__()
        self.output = nn.Parameter(output.clone())

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.output


def batch(targets: torch.Tensor, weights: torch.Tensor | None = None) -> Batch:
    count = len(targets)
    return Batch((torch.zeros(count, 1),), targets, torch.arange(count), {"examples": float(count)}, weights)


def value(name: str, options: dict[str, Any], target: dict[str, Any], output: torch.Tensor, of: Batch) -> tuple[float, torch.Tensor]:
    """The loss, and its gradient by the output."""
    model = Fixed(output)
    loss = tasks.build(name, options, target).loss(model, of, of.counts)
    loss.value.backward()
    assert model.output.grad is not None
    assert float(loss.terms["loss"][0]) / loss.terms["loss"][1] == pytest.approx(loss.value.item(), rel=1e-6)
    return loss.value.item(), model.output.grad


LOGITS = torch.tensor([[1.0, 2.0, -1.0], [0.0, 0.5, 0.1]], dtype=torch.float64)
TARGETS = torch.tensor([1, 2])


def test_gradient_of_softmax_and_cross_entropy_is_softmax_minus_one_hot() -> None:
    found, gradient = value("classification", {}, CLASSES, LOGITS, batch(TARGETS))
    assert found == pytest.approx(F.cross_entropy(LOGITS, TARGETS).item())
    assert torch.allclose(gradient, (LOGITS.softmax(1) - F.one_hot(TARGETS, 3)) / 2)


def test_squared_loss_on_one_hot() -> None:
    found, gradient = value("classification", {"loss": "squared"}, CLASSES, LOGITS, batch(TARGETS))
    difference = F.one_hot(TARGETS, 3) - LOGITS
    assert found == pytest.approx(difference.square().sum(1).mean().item())
    assert torch.allclose(gradient, -2 * difference / 2)


def test_label_smoothing_mixes_with_the_uniform_distribution() -> None:
    found, _ = value("classification", {"smoothing": 0.3}, CLASSES, LOGITS, batch(TARGETS))
    soft = 0.7 * F.one_hot(TARGETS, 3) + 0.1
    assert found == pytest.approx(-(soft * LOGITS.log_softmax(1)).sum(1).mean().item())


def test_balanced_class_weights_make_every_class_weigh_the_same() -> None:
    task: Any = tasks.build("classification", {"class_weights": "balanced"}, CLASSES)
    assert task.weights == pytest.approx([100 / 180, 100 / 90, 100 / 30])
    assert np.dot(task.weights, CLASSES["counts"]) == pytest.approx(100)  # 1 on average
    found, _ = value("classification", {"class_weights": "balanced"}, CLASSES, LOGITS, batch(TARGETS))
    each = F.cross_entropy(LOGITS, TARGETS, reduction="none")
    assert found == pytest.approx(float(each[0] * 100 / 90 + each[1] * 100 / 30) / 2)


@pytest.mark.parametrize(
    ("name", "target", "truth"),
    [
        ("classification", CLASSES, TARGETS),
        ("multi-label-classification", {"kind": "labels", "columns": ["a", "b", "c"]}, torch.tensor([[1.0, 0, 1], [0, 0, 1]])),
        ("regression", {"kind": "numbers", "columns": ["a", "b", "c"], "transform": "none"}, torch.ones(2, 3)),
    ],
)
def test_an_example_of_weight_two_is_the_example_twice(name: str, target: dict[str, Any], truth: torch.Tensor) -> None:
    truth = truth.double() if truth.is_floating_point() else truth
    weighted, _ = value(name, {}, target, LOGITS, batch(truth, torch.tensor([2.0, 1.0], dtype=torch.float64)))
    twice, _ = value(name, {}, target, LOGITS[[0, 0, 1]], batch(truth[[0, 0, 1]]))
    assert weighted * 2 == pytest.approx(twice * 3)


def test_multi_label_loss_is_the_mean_binary_cross_entropy() -> None:
    truth = torch.tensor([[1.0, 0, 1], [0, 0, 1]], dtype=torch.float64)
    found, _ = value("multi-label-classification", {}, {"kind": "labels", "columns": ["a", "b", "c"]}, LOGITS, batch(truth))
    p = LOGITS.sigmoid()
    assert found == pytest.approx(-(truth * p.log() + (1 - truth) * (1 - p).log()).mean().item())


@pytest.mark.parametrize(("loss", "expected"), [("squared", (1 + 9) / 2), ("absolute", (1 + 3) / 2), ("huber", (0.5 + 2.5) / 2)])
def test_regression_losses_have_no_half(loss: str, expected: float) -> None:
    # Prices 120 and 40 are z = 1 and −3; the network says 0.
    truth = torch.tensor([[120.0], [40.0]], dtype=torch.float64)
    found, _ = value("regression", {"loss": loss}, PRICE, torch.zeros(2, 1, dtype=torch.float64), batch(truth))
    assert found == pytest.approx(expected)


def test_regression_predicts_in_the_units_of_the_data() -> None:
    task = tasks.build("regression", {}, PRICE)
    model = Fixed(torch.tensor([[0.0], [1.0]]))
    assert task.predict(model, (torch.zeros(2, 1),)).tolist() == [[100.0], [120.0]]
    assert task.loss(model, batch(torch.zeros(2, 1)), {"examples": 2.0}).output.tolist() == [[100.0], [120.0]]


def test_a_forecast_has_the_transform_of_its_regression() -> None:
    forecasting: Any = tasks.build("forecasting", {}, PRICE)
    regression: Any = tasks.build("regression", {}, PRICE)
    assert forecasting.transform == regression.transform


def test_half_precision_outputs_keep_the_digits_of_a_price() -> None:
    task = tasks.build("regression", {}, PRICE | {"mean": [123456.0], "std": [1.0]})
    assert task.predict(Fixed(torch.zeros(1, 1, dtype=torch.bfloat16)), (torch.zeros(1, 1),)).item() == 123456.0


def test_the_loss_measure_equals_the_training_loss() -> None:
    target = PRICE | {"transform": "log", "mean": [4.0], "std": [0.5]}
    truth = torch.tensor([[120.0], [40.0]], dtype=torch.float64)
    task = tasks.build("regression", {"loss": "huber"}, target)
    loss = task.loss(Fixed(torch.tensor([[0.3], [2.5]], dtype=torch.float64)), batch(truth), {"examples": 2.0})
    metric: Any = task.metrics(final=False)["loss"]
    assert metric.value(metric.state(loss.output, batch(truth))) == pytest.approx(loss.value.item(), rel=1e-12)


def test_the_measure_to_choose_by_comes_first() -> None:
    def first(name: str, target: dict[str, Any]) -> str:
        return next(iter(tasks.build(name, {}, target).metrics(final=True)))

    assert first("classification", CLASSES) == "accuracy"
    assert first("multi-label-classification", {"kind": "labels", "columns": ["a", "b"]}) == "macro-f1"
    assert first("regression", PRICE) == "rmse"
    assert first("regression", PRICE | {"transform": "log"}) == "rmsle"
    assert first("forecasting", PRICE) == "mae"


def test_measures_follow_the_number_of_classes() -> None:
    def names(classes: int, **options: Any) -> set[str]:
        return set(
            tasks.build("classification", options, {"kind": "classes", "classes": [str(i) for i in range(classes)]}).metrics(final=True)
        )

    assert "auc" in names(2)
    assert "auc" not in names(3)
    assert "top-5" in names(11)
    assert "top-5" not in names(10)
    assert "calibration-error" not in names(3, loss="squared")


def test_rmsle_only_for_positive_targets() -> None:
    assert "rmsle" in tasks.build("regression", {}, PRICE | {"minimum": [0.5]}).metrics(final=True)
    assert "rmsle" not in tasks.build("regression", {}, PRICE | {"minimum": [-0.5]}).metrics(final=True)
    assert "rmsle" not in tasks.build("regression", {}, PRICE).metrics(final=True)


def test_tables_name_classes_labels_and_columns() -> None:
    table = tasks.build("classification", {}, CLASSES).table(LOGITS)
    assert table["prediction"].tolist() == ["bee", "bee"]
    assert list(table) == ["prediction", "probability:ant", "probability:bee", "probability:cat"]
    assert sum(table[f"probability:{name}"] for name in ("ant", "bee", "cat")) == pytest.approx([1, 1])
    labels = tasks.build("multi-label-classification", {}, {"kind": "labels", "columns": ["a", "b", "c"]}).table(LOGITS)
    assert [labels[f"prediction:{name}"].tolist() for name in "abc"] == [[1, 0], [1, 1], [0, 1]]
    assert tasks.build("regression", {}, PRICE).table(torch.ones(2, 1))["prediction"].tolist() == [1, 1]
    assert list(tasks.build("forecasting", {"horizon": 2}, PRICE).table(torch.ones(2, 2))) == ["prediction:1", "prediction:2"]


def test_many_classes_show_the_probability_of_the_answer_alone() -> None:
    table = tasks.build("classification", {}, {"kind": "classes", "classes": list(range(200))}).table(torch.zeros(3, 200))
    assert list(table) == ["prediction", "probability"]
    assert table["probability"] == pytest.approx([1 / 200] * 3)


def test_squared_outputs_become_probabilities_by_clipping() -> None:
    table = tasks.build("classification", {"loss": "squared"}, CLASSES).table(torch.tensor([[0.6, 0.6, -0.2]]))
    assert [table[f"probability:{name}"].item() for name in ("ant", "bee", "cat")] == pytest.approx([0.5, 0.5, 0.0])


class Rule(nn.Module):
    """The perceptron's rule as a loss: max(0, −y z) with labels ±1, one output."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(2, 1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.dense(inputs)

    def losses(self, inputs: tuple[torch.Tensor, ...], targets: torch.Tensor) -> tuple[dict[str, tuple[torch.Tensor, str]], torch.Tensor]:
        z = self(*inputs)
        return {"rule": ((-(2 * targets - 1) * z[:, 0]).clamp(min=0).sum(), "examples")}, z


def test_a_model_with_its_own_loss_has_its_terms_used() -> None:
    torch.manual_seed(0)
    model = Rule()
    of = Batch((torch.randn(8, 2),), torch.randint(2, (8,)), torch.arange(8), {"examples": 8.0})
    task = tasks.build("classification", {}, {"kind": "classes", "classes": ["no", "yes"]})
    loss = task.loss(model, of, {"examples": 16.0})
    terms, z = model.losses(of.inputs, of.targets)
    assert list(loss.terms) == ["rule"]
    assert loss.value.item() == pytest.approx(terms["rule"][0].item() / 16)
    loss.value.backward()
    assert model.dense.weight.grad is not None
    assert loss.output.shape == (8, 2)
    # One number z stands for the logits 0 and z, so class 1 is said where z > 0.
    assert torch.equal(loss.output.argmax(1), (z[:, 0] > 0).long())
    assert torch.equal(task.predict(model, of.inputs), loss.output)


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("classification", {"loss": "cross-entrpy"}, r"task\.loss = 'cross-entrpy' is not one of(.|\n)*did you mean 'cross-entropy'"),
        ("classification", {"smoothing": 1.0}, r"task\.smoothing = 1\.0 is not a number from 0 to under 1"),
        ("classification", {"smoothing": "x"}, r"task\.smoothing = 'x'"),
        ("classification", {"smoothing": 0.1, "loss": "squared"}, "label smoothing belongs to the cross-entropy"),
        ("classification", {"smothing": 0.1}, r"no option 'smothing'(.|\n)*did you mean 'smoothing'"),
        ("multi-label-classification", {"loss": "squared"}, r"no option 'loss'(.|\n)*it has none"),
        ("regression", {"transform": "logarithm"}, r"task\.transform = 'logarithm' is not one of none, log, standardise"),
        ("forecasting", {"window": 0}, r"task\.window = 0 is not a whole number of at least 1"),
        ("forecasting", {"horizon": True}, r"task\.horizon = True"),
        ("forecasting", {"window": 2.5}, r"task\.window = 2\.5"),
    ],
)
def test_wrong_options_are_refused(name: str, options: dict[str, Any], match: str) -> None:
    with pytest.raises(RecipeError, match=match):
        tasks.build(name, options, CLASSES | PRICE)


def test_balanced_weights_need_the_counts() -> None:
    with pytest.raises(RecipeError, match="how many examples each class has is not known"):
        tasks.build("classification", {"class_weights": "balanced"}, {"kind": "classes", "classes": ["a", "b"]})


def test_an_unknown_task_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(RecipeError, match=r"no task 'regresion'(.|\n)*did you mean 'regression'"):
        tasks.build("regresion", {}, PRICE)

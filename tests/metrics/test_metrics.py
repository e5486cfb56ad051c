"""Every measure equals scikit-learn's, and any split of the examples merges to the same value."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from sonde.data.batch import Batch
from sonde.metrics.accuracy import Accuracy, BalancedAccuracy, TopK
from sonde.metrics.auc import AUC
from sonde.metrics.calibration import CalibrationError
from sonde.metrics.confusion import confusion
from sonde.metrics.errors import MAE, MAPE, RMSE, RMSLE
from sonde.metrics.f1 import LabelF1, MacroF1
from sonde.metrics.labels import ExactMatch, LabelAccuracy, LabelLogLoss
from sonde.metrics.log_loss import LogLoss, OneHotError
from sonde.metrics.persistence import PersistenceMAE, Skill
from sonde.metrics.r2 import R2
from sonde.metrics.rows import RowMetric

CLASSES, LABELS, OUTPUTS = 7, 4, 3
CLASSIFICATION = {
    "accuracy": Accuracy(),
    "top-5": TopK(5),
    "balanced-accuracy": BalancedAccuracy(CLASSES),
    "macro-f1": MacroF1(CLASSES),
    "log-loss": LogLoss(),
    "one-hot-error": OneHotError(),
    "calibration-error": CalibrationError(),
}
LABELLED = {
    "macro-f1": LabelF1(),
    "f1:2": LabelF1(2),
    "accuracy": LabelAccuracy(),
    "accuracy:1": LabelAccuracy(1),
    "exact-match": ExactMatch(),
    "log-loss": LabelLogLoss(),
}
NUMBERS = {"rmse": RMSE(), "mae": MAE(), "rmsle": RMSLE(), "mape": MAPE(), "r2": R2(), "r2-centred": R2((5.0, 5.0, 5.0))}
WINDOWS = {"persistence-mae": PersistenceMAE(), "skill": Skill()}


def batch(targets: torch.Tensor, inputs: torch.Tensor | None = None) -> Batch:
    count = len(targets)
    return Batch((torch.zeros(count, 2) if inputs is None else inputs,), targets, torch.arange(count), {"examples": float(count)})


def whole(metric: Any, prediction: torch.Tensor, targets: torch.Tensor) -> float:
    return float(metric.value(metric.state(prediction, batch(targets))))


def classes_case(seed: int, count: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(CLASSES, (count,), generator=generator)
    logits = torch.randn(count, CLASSES, generator=generator) + 1.5 * torch.nn.functional.one_hot(targets, CLASSES)
    return logits, targets


def labels_case(seed: int, count: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    targets = (torch.rand(count, LABELS, generator=generator) < 0.3).float()
    return torch.randn(count, LABELS, generator=generator) + 2 * targets - 1, targets


def numbers_case(seed: int, count: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    targets = 10 * torch.rand(count, OUTPUTS, generator=generator) + 0.1
    return (targets + torch.randn(count, OUTPUTS, generator=generator)).clamp(min=0.01), targets


def near(value: float, other: float) -> None:
    assert value == pytest.approx(other, rel=1e-9, abs=1e-12)


def test_classification_measures_equal_scikit_learn() -> None:
    logits, targets = classes_case(1)
    said, true = logits.argmax(1).numpy(), targets.numpy()
    probability = logits.double().softmax(1).numpy()
    near(whole(CLASSIFICATION["accuracy"], logits, targets), sk.accuracy_score(true, said))
    near(whole(CLASSIFICATION["top-5"], logits, targets), sk.top_k_accuracy_score(true, logits.numpy(), k=5))
    near(whole(CLASSIFICATION["balanced-accuracy"], logits, targets), sk.balanced_accuracy_score(true, said))
    near(whole(CLASSIFICATION["macro-f1"], logits, targets), sk.f1_score(true, said, average="macro"))
    near(whole(CLASSIFICATION["log-loss"], logits, targets), sk.log_loss(true, probability))
    near(
        whole(CLASSIFICATION["one-hot-error"], logits, targets),
        float(((np.eye(CLASSES)[true] - logits.double().numpy()) ** 2).sum(1).mean()),
    )
    assert np.array_equal(confusion(logits.argmax(1), targets, classes=CLASSES).numpy(), sk.confusion_matrix(true, said))


def test_classes_that_never_occur_do_not_count() -> None:
    logits, targets = classes_case(2)
    keep = (targets < 3) & (logits.argmax(1) < 5)
    logits, targets = logits[keep], targets[keep]
    said, true = logits.argmax(1).numpy(), targets.numpy()
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        expected = sk.balanced_accuracy_score(true, said)
    near(whole(BalancedAccuracy(CLASSES), logits, targets), expected)
    near(whole(MacroF1(CLASSES), logits, targets), sk.f1_score(true, said, average="macro"))


def test_calibration_error_by_hand() -> None:
    # Two examples at confidence 0.9 of which one is right, two at 0.6 that are both right: ½·0.4 + ½·0.4.
    confidence = torch.tensor([0.9, 0.9, 0.6, 0.6], dtype=torch.float64)
    logits = torch.stack([confidence.log(), (1 - confidence).log()], dim=1)
    near(whole(CalibrationError(10), logits, torch.tensor([0, 1, 0, 0])), 0.4)


def test_perfect_calibration_is_zero_and_certainty_about_errors_is_one() -> None:
    logits = torch.tensor([[100.0, 0.0], [100.0, 0.0]])
    assert whole(CalibrationError(), logits, torch.tensor([0, 0])) == 0.0
    assert whole(CalibrationError(), logits, torch.tensor([1, 1])) == 1.0


def test_label_measures_equal_scikit_learn() -> None:
    logits, targets = labels_case(3)
    said, true = (logits > 0).numpy().astype(int), targets.numpy().astype(int)
    probability = logits.double().sigmoid().numpy()
    near(whole(LABELLED["macro-f1"], logits, targets), sk.f1_score(true, said, average="macro"))
    near(whole(LABELLED["f1:2"], logits, targets), sk.f1_score(true[:, 2], said[:, 2]))
    near(whole(LABELLED["accuracy"], logits, targets), float((said == true).mean()))
    near(whole(LABELLED["accuracy:1"], logits, targets), sk.accuracy_score(true[:, 1], said[:, 1]))
    near(whole(LABELLED["exact-match"], logits, targets), sk.accuracy_score(true, said))
    each = [sk.log_loss(true[:, i], probability[:, i]) for i in range(LABELS)]
    near(whole(LABELLED["log-loss"], logits, targets), float(np.mean(each)))


@pytest.mark.parametrize("outputs", [1, OUTPUTS])
def test_errors_equal_scikit_learn(outputs: int) -> None:
    said, true = (values[:, :outputs] for values in numbers_case(4))
    y, z = true.double().numpy(), said.double().numpy()
    near(whole(RMSE(), said, true), sk.root_mean_squared_error(y, z))
    near(whole(MAE(), said, true), sk.mean_absolute_error(y, z))
    near(whole(RMSLE(), said, true), sk.root_mean_squared_log_error(y, z))
    near(whole(MAPE(), said, true), sk.mean_absolute_percentage_error(y, z))
    near(whole(R2(), said, true), sk.r2_score(y, z))
    near(whole(R2((4.0,) * outputs), said, true), sk.r2_score(y, z))


def test_r2_keeps_its_digits_far_from_zero() -> None:
    said, true = (values.double() + 1e8 for values in numbers_case(5))
    near(whole(R2((1e8 + 5,) * OUTPUTS), said, true), sk.r2_score(true.numpy(), said.numpy()))


def test_r2_of_a_constant_target_is_that_of_scikit_learn() -> None:
    constant = torch.full((5, 1), 7.3)
    assert whole(R2(), constant, constant) == 1.0
    assert whole(R2(), constant + 1, constant) == 0.0


def test_rmsle_counts_negative_predictions_as_zero() -> None:
    near(whole(RMSLE(), torch.tensor([[-3.0]]), torch.tensor([[math.e - 1]], dtype=torch.float64)), 1.0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=60))
def test_auc_equals_scikit_learn_with_ties(rows: list[tuple[int, bool]]) -> None:
    scores, targets = torch.tensor([float(s) for s, _ in rows]), torch.tensor([int(t) for _, t in rows])
    found = AUC().of(torch.stack([torch.zeros_like(scores), scores], dim=1), targets)
    if len(set(targets.tolist())) == 1:
        assert math.isnan(found)
    else:
        near(found, sk.roc_auc_score(targets.numpy(), scores.numpy()))


def test_auc_is_a_row_metric_and_the_others_are_not() -> None:
    assert isinstance(AUC(), RowMetric)
    assert not any(isinstance(metric, RowMetric) for metric in [*CLASSIFICATION.values(), *LABELLED.values(), *NUMBERS.values()])


def test_persistence_and_skill_on_the_sixteen_published_days() -> None:
    views = [6788, 6242, 5868, 4413, 4372, 5135, 5527, 5911, 5248, 4771, 3850, 3828, 4559, 4772, 3847, 3382]
    series = torch.tensor(views, dtype=torch.float32)
    days = Batch((series[:-1, None],), series[1:, None], torch.arange(15), {"examples": 15.0})

    def measure(metric: Any, prediction: torch.Tensor) -> float:
        return float(metric.value(metric.state(prediction, days)))

    today = series[:-1, None]
    assert measure(PersistenceMAE(), today) == pytest.approx(558.13, abs=0.005)
    assert measure(MAE(), 500 + today) == pytest.approx(792.93, abs=0.005)
    assert measure(MAE(), 100 + 0.97 * today) == pytest.approx(534.89, abs=0.005)
    assert measure(Skill(), today) == 0.0
    assert measure(Skill(), 100 + 0.97 * today) == pytest.approx(1 - 534.89 / 558.13, abs=1e-4)


CASES = [(name, metric, classes_case) for name, metric in CLASSIFICATION.items()]
CASES += [(f"labels-{name}", metric, labels_case) for name, metric in LABELLED.items()]
CASES += [(f"numbers-{name}", metric, numbers_case) for name, metric in (NUMBERS | WINDOWS).items()]


@pytest.mark.parametrize(("metric", "case"), [pytest.param(metric, case, id=name) for name, metric, case in CASES])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 40), cuts=st.lists(st.integers(0, 40), max_size=5))
def test_any_split_merges_to_the_same_value(metric: Any, case: Any, seed: int, count: int, cuts: list[int]) -> None:
    prediction, targets = case(seed, count)
    windows = torch.rand(count, 5, generator=torch.Generator().manual_seed(seed)) * 10
    edges = [0, *sorted(min(cut, count) for cut in cuts), count]
    pieces = [slice(a, b) for a, b in pairwise(edges)]
    states = [metric.state(prediction[piece], batch(targets[piece], windows[piece])) for piece in pieces]
    assert all(state.dtype == torch.float64 and state.shape == states[0].shape for state in states)
    one = metric.value(metric.state(prediction, batch(targets, windows)))
    assert metric.value(sum(states)) == pytest.approx(one, rel=1e-9, abs=1e-9, nan_ok=True)
    assert metric.better in ("higher", "lower")


@pytest.mark.parametrize("metric", [Accuracy(), LogLoss(), BalancedAccuracy(3), MacroF1(3), CalibrationError()])
def test_nothing_measured_is_nan(metric: Any) -> None:
    assert math.isnan(whole(metric, torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)))


def test_unlabelled_examples_cannot_be_measured() -> None:
    unlabelled = Batch((torch.zeros(2, 1),), None, torch.arange(2), {"examples": 2.0})
    with pytest.raises(ValueError, match="no targets"):
        Accuracy().state(torch.zeros(2, 3), unlabelled)

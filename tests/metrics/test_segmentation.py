"""Measures of segmentation: counted by hand, equal to scikit-learn's, the same however pictures are cut into batches."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score
from torch import Tensor

from sonde.data.batch import NO_TARGET, Batch
from sonde.metrics.segmentation import PixelCounts, counted, intersection_over_union, segmentation_metrics

CLASSES = ("sky", "road", "car", "pole")


def batch(targets: Tensor) -> Batch:
    return Batch((torch.zeros(len(targets), 1, *targets.shape[1:]),), targets, torch.arange(len(targets)), {"examples": float(len(targets))})


def logits(answers: Tensor, classes: int = len(CLASSES)) -> Tensor:
    return torch.nn.functional.one_hot(answers, classes).movedim(-1, 1).float() * 5


def measured(answers: Tensor, targets: Tensor, *, final: bool = True) -> dict[str, float]:
    prediction, of = logits(answers), batch(targets)
    return {name: metric.value(metric.state(prediction, of)) for name, metric in segmentation_metrics(CLASSES, final=final).items()}


def test_counted_by_hand() -> None:
    """Sky: 2 both of 3; road: 1 of 3; car: 0 of 2 (never answered where it is); pole: nowhere, so it is left out. Void does not count."""
    targets = torch.tensor([[[0, 0, 1, 1, 2], [2, 0, NO_TARGET, NO_TARGET, NO_TARGET]]])
    answers = torch.tensor([[[0, 0, 1, 0, 1], [1, 1, 3, 0, 2]]])
    found = measured(answers, targets)
    assert list(found)[:3] == ["mean-iou", "pixel-accuracy", "loss"]
    assert found["pixel-accuracy"] == pytest.approx(3 / 7)
    assert (found["iou:sky"], found["iou:road"], found["iou:car"]) == pytest.approx((2 / 4, 1 / 5, 0))
    assert math.isnan(found["iou:pole"])
    assert found["mean-iou"] == pytest.approx((2 / 4 + 1 / 5 + 0) / 3)


def test_a_class_that_is_only_answered_counts_as_missed() -> None:
    targets, answers = torch.zeros(1, 2, 2, dtype=torch.int64), torch.tensor([[[0, 0], [0, 3]]])
    found = measured(answers, targets)
    assert found["iou:pole"] == 0
    assert found["mean-iou"] == pytest.approx(0.75 / 2)


def test_nothing_labelled_is_no_number() -> None:
    targets = torch.full((2, 3, 3), NO_TARGET)
    assert all(math.isnan(value) for value in measured(torch.zeros(2, 3, 3, dtype=torch.int64), targets).values())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), cut=st.integers(0, 6))
def test_equal_to_scikit_learn_and_sums_over_batches(seed: int, cut: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(NO_TARGET, len(CLASSES), (6, 4, 5), generator=generator)
    answers = torch.randint(0, len(CLASSES), (6, 4, 5), generator=generator)
    there = targets != NO_TARGET
    truth, said = targets[there].numpy(), answers[there].numpy()
    found = measured(answers, targets)
    numbers = range(len(CLASSES))
    assert found["pixel-accuracy"] == pytest.approx(accuracy_score(truth, said))
    np.testing.assert_array_equal(counted(answers, targets, classes=4).numpy(), confusion_matrix(truth, said, labels=numbers))
    np.testing.assert_allclose(
        intersection_over_union(counted(answers, targets, classes=4)).numpy(), jaccard_score(truth, said, labels=numbers, average=None)
    )
    for name, metric in segmentation_metrics(CLASSES, final=False).items():
        parts = [metric.state(logits(answers[some]), batch(targets[some])) for some in (slice(0, cut), slice(cut, 6))]
        assert metric.value(parts[0] + parts[1]) == pytest.approx(found[name], rel=1e-6)


def test_several_measures_of_a_batch_count_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr("sonde.metrics.segmentation.counted", lambda *given, **options: calls.append(1) or counted(*given, **options))
    measured(torch.zeros(2, 3, 3, dtype=torch.int64), torch.zeros(2, 3, 3, dtype=torch.int64))
    assert len(calls) == 1
    counts, targets = PixelCounts(4), torch.zeros(1, 2, 2, dtype=torch.int64)
    first = counts.of(logits(targets), batch(targets))
    second = counts.of(logits(targets + 1), batch(targets))  # another prediction of the same targets
    assert not torch.equal(first, second)

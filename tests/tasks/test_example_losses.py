"""The loss of each example is the task's own, one at a time."""

from __future__ import annotations

import math

import pytest
import torch

from sonde.tasks.example_losses import example_losses


def test_classes() -> None:
    found = example_losses(torch.tensor([[0.0, 0.0], [math.log(3), 0.0]]), torch.tensor([0, 1]), target={"kind": "classes"})
    assert found.tolist() == pytest.approx([math.log(2), math.log(4)])


def test_labels_are_logits_of_their_own() -> None:
    # A sure and right answer costs nothing, a sure and wrong one its logit: half of it in the mean of two labels.
    found = example_losses(torch.tensor([[30.0, -30.0], [30.0, 30.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]]), target={"kind": "labels"})
    assert found.tolist() == pytest.approx([0.0, 15.0], abs=1e-9)


def test_numbers() -> None:
    found = example_losses(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 2.0]]), target={"kind": "numbers"})
    assert found.tolist() == [2.0]


def test_prices_whose_logarithm_is_learned_are_ranked_by_it() -> None:
    target = {"kind": "numbers", "transform": "log", "mean": [0.0], "std": [1.0]}
    # Half of a small price is a worse mistake than a tenth of a large one.
    cheap, dear = example_losses(torch.tensor([[50.0], [900.0]]), torch.tensor([[100.0], [1000.0]]), target=target).tolist()
    assert cheap == pytest.approx(math.log(101 / 51) ** 2)
    assert cheap > dear
